//! Copies a store into an empty one, event for event: the same positions, ids and times, the same chain and history.
//!
//! What [`crate::Reader::stored_range`] reads here is taken there by [`CopyIn::push`]. The copy is the same store in
//! another place, so only one of the two should take commands afterwards.

use std::sync::Arc;

use envelope::{History, Position, Timestamp};
use sqlx::{ConnectOptions as _, Connection as _};
use uuid::Uuid;

use crate::appender::rows::{EventRow, Names};
use crate::appender::{Tip, sql};
use crate::filling::Filling;
use crate::{StoreConfig, StoreError, chain, recover, relay, store};

/// What a store was born with and which history it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The chain before position 1 is its SHA-256.
    pub genesis: Uuid,
    /// What positions mean; another than the genesis after a recovery.
    pub history: History,
}

/// An event with every column of its row, byte for byte, except the chain, which follows from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Where it stands.
    pub position: Position,
    /// The kind of aggregate it happened to.
    pub aggregate_type: String,
    /// Which one.
    pub aggregate_id: String,
    /// Its number there.
    pub sequence: i64,
    /// Its name for ever.
    pub event_id: Uuid,
    /// What happened.
    pub event_type: String,
    /// The version of its shape.
    pub event_version: String,
    /// Its fields, as JSON.
    pub payload: String,
    /// A flat map of strings, as JSON.
    pub metadata: String,
    /// When the first store took it.
    pub recorded_at: Timestamp,
}

/// Why a copy does not go on.
#[derive(Debug, thiserror::Error)]
pub enum CopyInError {
    /// Something is wrong with the store that is written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store holds something else.
    #[error("the store `{context}` holds other events up to position {position}; copy into an empty database")]
    NotEmpty {
        /// Whose store.
        context: String,
        /// Where it ends.
        position: Position,
    },
    /// The copy is not whole.
    #[error("position {found} comes where {expected} should; copy everything from position 1, in order")]
    Gap {
        /// What should come.
        expected: Position,
        /// What came.
        found: Position,
    },
    /// The events are not those of one store.
    #[error("event {position} was recorded before its predecessor; the copy is damaged")]
    Time {
        /// Where.
        position: Position,
    },
}

/// A copy that is under way. Broken off, it can be begun again from position 1: what is there already is compared and
/// not written twice.
pub struct CopyIn {
    context: String,
    filling: Filling,
    names: Names,
    /// The newest event of the part that was there before.
    present: Tip,
    /// The newest event that was compared with it.
    compared: Tip,
}

impl CopyIn {
    /// Gives an empty store this origin, or goes on in one that has it.
    ///
    /// # Errors
    /// If the store holds something else, is in use, was not migrated, or Postgres is away.
    pub async fn begin(config: &StoreConfig, origin: Origin) -> Result<Self, CopyInError> {
        let mut connection = config.connect_options("copy")?.connect().await.map_err(StoreError::from)?;
        store::check_version(&mut connection, config).await?;
        let mut transaction = connection.begin().await.map_err(StoreError::from)?;
        recover::at_rest(&mut transaction, config).await?;
        let mut present = sql::newest(&mut transaction).await?;
        let (genesis, history) = sql::origin(&mut transaction).await?;
        if (Origin { genesis, history }) != origin {
            if present.position > Position::ZERO {
                return Err(CopyInError::NotEmpty { context: config.context.clone(), position: present.position });
            }
            sqlx::query("update store set genesis = $1, history = $2")
                .bind(origin.genesis)
                .bind(origin.history.0)
                .execute(&mut *transaction)
                .await
                .map_err(StoreError::from)?;
            relay::start_over(&mut transaction).await?;
            present = sql::newest(&mut transaction).await?;
        }
        transaction.commit().await.map_err(StoreError::from)?;
        let compared = Tip { chain: chain::genesis(origin.genesis), ..Tip::default() };
        let filling = Filling::after(config, present).await?;
        Ok(Self { context: config.context.clone(), filling, names: Names::default(), present, compared })
    }

    /// Takes the next event. It is durable after [`CopyIn::finish`], or some thousand events later.
    ///
    /// # Errors
    /// If it is not the next one, contradicts what is there, or Postgres refuses it.
    pub async fn push(&mut self, event: StoredEvent) -> Result<(), CopyInError> {
        let compares = self.compared.position < self.present.position;
        let before = if compares { self.compared } else { *self.filling.tip() };
        let expected = before.position.next();
        if event.position != expected {
            return Err(CopyInError::Gap { expected, found: event.position });
        }
        if event.recorded_at < before.recorded_at {
            return Err(CopyInError::Time { position: event.position });
        }
        let mut row = event.into_row(&mut self.names);
        if !compares {
            return Ok(self.filling.push(row).await?);
        }
        row.chain = chain::after(&before.chain, &row.link());
        self.filling.skip(&row)?;
        self.compared = Tip::of(&row);
        if self.compared.position == self.present.position && self.compared.chain != self.present.chain {
            return Err(self.not_empty());
        }
        Ok(())
    }

    /// Writes the rest; returns where the store ends and the chain there, as hexadecimal.
    ///
    /// # Errors
    /// If fewer events came than were there, or Postgres is away.
    pub async fn finish(mut self) -> Result<(Position, String), CopyInError> {
        if self.compared.position < self.present.position {
            return Err(self.not_empty());
        }
        let position = self.filling.flush().await?;
        Ok((position, chain::hexadecimal(&self.filling.tip().chain)))
    }

    fn not_empty(&self) -> CopyInError {
        CopyInError::NotEmpty { context: self.context.clone(), position: self.present.position }
    }
}

impl StoredEvent {
    fn into_row(self, names: &mut Names) -> EventRow {
        EventRow {
            position: self.position,
            aggregate_type: names.share(&self.aggregate_type),
            aggregate_id: Arc::from(self.aggregate_id),
            sequence: self.sequence,
            event_id: self.event_id,
            event_type: names.share(&self.event_type),
            event_version: names.share(&self.event_version),
            payload: self.payload,
            metadata: Arc::from(self.metadata),
            recorded_at: self.recorded_at,
            chain: [0; 32],
        }
    }
}

impl From<EventRow> for StoredEvent {
    fn from(row: EventRow) -> Self {
        Self {
            position: row.position,
            aggregate_type: row.aggregate_type.to_string(),
            aggregate_id: row.aggregate_id.to_string(),
            sequence: row.sequence,
            event_id: row.event_id,
            event_type: row.event_type.to_string(),
            event_version: row.event_version.to_string(),
            payload: row.payload,
            metadata: row.metadata.to_string(),
            recorded_at: row.recorded_at,
        }
    }
}
