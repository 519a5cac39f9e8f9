//! Reads the events of a store by position.

use std::sync::Arc;
use std::time::Duration;

use envelope::{History, Position, Recorded};
use platform::postgres::{answered, lend};
use sqlx::{PgConnection, PgPool, Row as _};
use uuid::Uuid;

use crate::appender::rows::EventRow;
use crate::appender::sql;
use crate::copy_in::{Origin, StoredEvent};
use crate::{StoreError, copy};

/// The fields of an event as the JSON that was stored, not looked into.
#[derive(Clone, Debug)]
pub struct RawPayload(Box<serde_json::value::RawValue>);

impl RawPayload {
    /// Takes a JSON text.
    ///
    /// # Errors
    /// If it is not JSON.
    pub fn new(json: String) -> Result<Self, serde_json::Error> {
        serde_json::value::RawValue::from_string(json).map(Self)
    }

    /// The JSON text.
    #[must_use]
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// The same, known to be JSON: written into another text it need not be looked into again.
    #[must_use]
    pub fn raw(&self) -> &serde_json::value::RawValue {
        &self.0
    }
}

/// Two texts are equal if their bytes are.
impl PartialEq for RawPayload {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

/// Where a store ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The newest position; 0 if the store is empty.
    pub position: Position,
    /// The event that stands there.
    pub event_id: Option<Uuid>,
    /// The history to which the position belongs.
    pub history: History,
}

/// What the relay of a store says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayRow {
    /// The history it publishes.
    pub history: History,
    /// Everything up to here is acknowledged by the broker.
    pub checkpoint: Position,
    /// Per partition the newest acknowledged position.
    pub last_position: Vec<Position>,
    /// Per partition, after which position its log begins.
    pub log_begins: Vec<Position>,
}

/// A reader of one store; cheap to clone.
#[derive(Clone)]
pub struct Reader {
    context: Arc<str>,
    history: History,
    pool: PgPool,
    answer_wait_max: Duration,
}

impl Reader {
    pub(crate) fn new(context: Arc<str>, history: History, pool: PgPool, answer_wait_max: Duration) -> Self {
        Self { context, history, pool, answer_wait_max }
    }

    /// Asks on one connection, and does not wait for ever.
    pub(crate) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = lend(&self.pool).await?;
        let answer = answered(self.answer_wait_max, question(&mut connection)).await?;
        connection.give_back();
        Ok(answer)
    }

    /// The context whose store this reads.
    #[must_use]
    pub fn context(&self) -> &Arc<str> {
        &self.context
    }

    /// The history that was in force when the store was opened; [`Reader::head`] asks anew.
    #[must_use]
    pub fn history(&self) -> History {
        self.history
    }

    /// The end of the store as it is now.
    ///
    /// # Errors
    /// If Postgres is away.
    pub async fn head(&self) -> Result<Head, StoreError> {
        let head = "select s.history, e.position, e.event_id from store s
                      left join (select position, event_id from events order by position desc limit 1) e on true";
        let row = self.ask(async |connection| Ok(sqlx::query(head).fetch_one(connection).await?)).await?;
        Ok(Head {
            history: History(row.try_get(0)?),
            position: Position(row.try_get::<Option<i64>, _>(1)?.unwrap_or_default()),
            event_id: row.try_get(2)?,
        })
    }

    /// What the chain begins with.
    pub(crate) async fn genesis(&self) -> Result<Uuid, StoreError> {
        Ok(self.origin().await?.genesis)
    }

    /// What the store was born with and which history it is in, as it is now.
    ///
    /// # Errors
    /// If Postgres is away.
    pub async fn origin(&self) -> Result<Origin, StoreError> {
        let (genesis, history) = self.ask(async |connection| sql::origin(connection).await).await?;
        Ok(Origin { genesis, history })
    }

    /// Up to `events_max` events after a position, in order, without gaps.
    ///
    /// # Errors
    /// If Postgres is away or a row is damaged.
    pub async fn after(&self, position: Position, events_max: i64) -> Result<Vec<Recorded<RawPayload>>, StoreError> {
        let rows = self.ask(async |connection| sql::events_after(connection, position, events_max).await).await?;
        rows.into_iter().map(|row| row.into_recorded(&self.context)).collect()
    }

    /// The events at these positions, in order; those that the store does not have are left out.
    pub(crate) async fn at(&self, positions: &[i64]) -> Result<Vec<Recorded<RawPayload>>, StoreError> {
        let rows = self.ask(async |connection| sql::events_at(connection, positions).await).await?;
        rows.into_iter().map(|row| row.into_recorded(&self.context)).collect()
    }

    /// The event that stands at a position.
    ///
    /// # Errors
    /// If Postgres is away.
    pub async fn event_at(&self, position: Position) -> Result<Option<Uuid>, StoreError> {
        let id = sqlx::query_scalar("select event_id from events where position = $1").bind(position.get());
        self.ask(async |connection| Ok(id.fetch_optional(connection).await?)).await
    }

    /// Hands every event of a range to `each`, in order of position, by binary `copy`: several times faster than
    /// [`Reader::after`] for many. One short transaction; take ranges of some ten thousand.
    ///
    /// # Errors
    /// If Postgres is away, a row is damaged, or `each` says so.
    pub async fn range_copy<E: From<StoreError>>(
        &self,
        after: Position,
        up_to: Position,
        mut each: impl FnMut(Recorded<RawPayload>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.rows_copy(after, up_to, |row| {
            let recorded = row.into_recorded(&self.context)?;
            each(recorded)
        })
        .await
    }

    /// The events of a range with every column as it is stored, byte for byte: what [`crate::copy_in`] takes.
    ///
    /// # Errors
    /// If Postgres is away or a row is damaged.
    pub async fn stored_range(&self, after: Position, up_to: Position) -> Result<Vec<StoredEvent>, StoreError> {
        let mut events = Vec::new();
        let take = |row: EventRow| {
            events.push(row.into());
            Ok::<_, StoreError>(())
        };
        self.rows_copy(after, up_to, take).await?;
        Ok(events)
    }

    pub(crate) async fn rows_copy<E: From<StoreError>>(
        &self,
        after: Position,
        up_to: Position,
        each: impl FnMut(EventRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut connection = lend(&self.pool).await.map_err(StoreError::from)?;
        copy::events(&mut connection, self.answer_wait_max, after, up_to, each).await?;
        connection.give_back();
        Ok(())
    }

    /// What the relay last noted, if one has ever run.
    ///
    /// # Errors
    /// If Postgres is away.
    pub async fn relay_row(&self) -> Result<Option<RelayRow>, StoreError> {
        let row = sqlx::query("select history, checkpoint, last_position, log_begins from relay");
        let row = self.ask(async |connection| Ok(row.fetch_optional(connection).await?)).await?;
        row.map(|row| {
            let positions = |column: usize| {
                Ok::<_, sqlx::Error>(row.try_get::<Vec<i64>, _>(column)?.into_iter().map(Position).collect())
            };
            Ok(RelayRow {
                history: History(row.try_get(0)?),
                checkpoint: Position(row.try_get(1)?),
                last_position: positions(2)?,
                log_begins: positions(3)?,
            })
        })
        .transpose()
    }
}
