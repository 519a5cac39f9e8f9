//! Fills a store with events that were decided elsewhere: adopted or copied.

use sqlx::{ConnectOptions as _, PgConnection};

use envelope::Position;

use crate::appender::rows::EventRow;
use crate::appender::sql;
use crate::appender::{BatchRows, EVENT_BYTES_MAX, Tip};
use crate::chain;
use crate::verify::Sequences;
use crate::{StoreConfig, StoreError};

/// How many events are written in one transaction.
const BATCH_EVENTS_MAX: usize = 1_000;
/// A batch ends early when its events are this large together.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Appends like an appender, batch by batch under the lock, and only as long as nobody else does.
pub(crate) struct Filling {
    connection: PgConnection,
    config: StoreConfig,
    /// The newest event that is written.
    written: Tip,
    /// The newest event that was taken.
    tip: Tip,
    batch: BatchRows,
    batch_bytes: usize,
    sequences: Sequences,
}

impl Filling {
    /// Goes on after `start`, which is the newest event of the store.
    pub(crate) async fn after(config: &StoreConfig, start: Tip) -> Result<Self, StoreError> {
        let connection = config.connect_options("filling")?.connect().await?;
        Ok(Self {
            connection,
            config: config.clone(),
            written: start,
            tip: start,
            batch: BatchRows::default(),
            batch_bytes: 0,
            sequences: Sequences::default(),
        })
    }

    pub(crate) fn tip(&self) -> &Tip {
        &self.tip
    }

    /// Notes an event that the store has already.
    pub(crate) fn skip(&mut self, row: &EventRow) -> Result<(), StoreError> {
        self.sequences.follow(row).map_err(|reason| StoreError::Damaged { position: row.position, reason })
    }

    /// Takes the next event, gives it its place and its chain.
    pub(crate) async fn push(&mut self, mut row: EventRow) -> Result<(), StoreError> {
        row.position = self.tip.position.next();
        row.chain = chain::after(&self.tip.chain, &row.link());
        self.skip(&row)?;
        let bytes = row.payload.len() + row.metadata.len();
        if bytes > EVENT_BYTES_MAX {
            return Err(StoreError::TooLarge { bytes, max: EVENT_BYTES_MAX });
        }
        self.tip = Tip::of(&row);
        self.batch_bytes += bytes;
        self.batch.events.push(row);
        if self.batch.events.len() >= BATCH_EVENTS_MAX || self.batch_bytes >= BATCH_BYTES_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes what was taken; returns where the store ends now.
    pub(crate) async fn flush(&mut self) -> Result<Position, StoreError> {
        if !self.batch.events.is_empty() {
            let appended =
                sql::append(&mut self.connection, self.config.lock_key(), &self.written, &self.batch).await?;
            if appended.is_none() {
                let by = "somebody who appended at the same time".to_owned();
                return Err(StoreError::InUse { context: self.config.context.clone(), by });
            }
            self.batch.events.clear();
            (self.batch_bytes, self.written) = (0, self.tip);
        }
        Ok(self.written.position)
    }
}
