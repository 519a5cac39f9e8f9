//! One relay leads per store: whoever holds an advisory lock of the store's database.
//!
//! The lock ends with the connection, so a process that is killed hands over at once. A leader that does not know yet
//! that its time is over can still publish, which repeats records and does no harm; what it must not do is write the
//! row, and the term sees to that.

use std::time::Duration;

use envelope::{History, Position};
use platform::postgres::answered;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::row::{self, Row};
use crate::{StoreConfig, StoreError};

/// How long the database may take to answer before this relay gives up its lead.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The newest event of each partition may be far from the end.
const HEADS_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection that may hold the lock.
pub(crate) struct Candidate {
    db: PgConnection,
    lock_key: i64,
    partitions: usize,
}

/// Holds the lock and the row.
pub(crate) struct Leader {
    db: PgConnection,
    pub(crate) row: Row,
}

/// Why a leader leads no more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Dethroned {
    #[error("another relay leads")]
    Rival,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Candidate {
    pub(crate) async fn connect(config: &StoreConfig) -> Result<Self, StoreError> {
        let options = config.connect_options("relay")?.options(platform::postgres::ENDS_WITH_ITS_CLIENT);
        let connected = async {
            let mut db = PgConnection::connect_with(&options).await?;
            sqlx::query("select 1 from relay").execute(&mut db).await?;
            Ok::<_, StoreError>(db)
        };
        let db = answered(ANSWER_TIMEOUT, connected).await?;
        Ok(Self {
            db,
            lock_key: config.relay_lock_key(),
            partitions: usize::try_from(config.partitions).unwrap_or(1).max(1),
        })
    }

    /// Tries and does not wait: a statement that waits would hold back the vacuum of the whole database.
    pub(crate) async fn stand(mut self) -> Result<Result<Leader, Self>, StoreError> {
        let lock = sqlx::query_scalar("select pg_try_advisory_lock($1)").bind(self.lock_key);
        let stood = async {
            if !lock.fetch_one(&mut self.db).await? {
                return Ok::<_, StoreError>(None);
            }
            let begun = row::begin_term(&mut self.db, self.partitions).await;
            platform::faults::pass("relay.term-begun");
            begun.map(Some)
        };
        match answered(ANSWER_TIMEOUT, stood).await? {
            Some(row) => Ok(Ok(Leader { db: self.db, row })),
            None => Ok(Err(self)),
        }
    }
}

impl Leader {
    /// Writes the row as it is held here.
    pub(crate) async fn save(&mut self) -> Result<(), Dethroned> {
        let mine = answered(ANSWER_TIMEOUT, row::save(&mut self.db, &self.row)).await?;
        if mine { Ok(()) } else { Err(Dethroned::Rival) }
    }

    /// Asks whether the connection, and with it the lock, still stands.
    pub(crate) async fn assert(&mut self) -> Result<(), Dethroned> {
        let mine = answered(ANSWER_TIMEOUT, row::is_mine(&mut self.db, &self.row)).await?;
        if mine { Ok(()) } else { Err(Dethroned::Rival) }
    }

    /// The history that the store has now.
    pub(crate) async fn history(&mut self) -> Result<History, StoreError> {
        answered(ANSWER_TIMEOUT, row::history_of_store(&mut self.db)).await
    }

    /// The event that the store has at a position.
    pub(crate) async fn event_at(&mut self, position: Position) -> Result<Option<Uuid>, StoreError> {
        answered(ANSWER_TIMEOUT, row::event_at(&mut self.db, position)).await
    }

    /// The newest event of each partition and the newest of all, read backwards from the head.
    pub(crate) async fn heads(&mut self) -> Result<(Position, Vec<Position>), StoreError> {
        answered(HEADS_TIMEOUT, row::heads(&mut self.db, self.row.kept.len())).await
    }
}
