//! Compares a topic with its store: what an outside reader finds there, and whether it is all that the store has.
//!
//! Memory is bounded by one bit per event: records are compared with rows some thousand at a time, and one walk over
//! the store at the end says what no record was for.

mod records;
mod walk;

use std::fmt;

use anyhow::Context as _;
use envelope::{History, Position, Recorded};
use rdkafka::ClientConfig;

use self::records::{Records, Seen};
use self::walk::Walk;
use super::RANGE_EVENTS;
use crate::relay::log::Log;
use crate::{RawPayload, Reader, StoreError};

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many records were looked at.
    pub records: u64,
    /// How many of them repeat one before; a relay that is in doubt publishes again.
    pub repeated: u64,
    /// Everything up to here is acknowledged, so the topic must have it.
    pub checkpoint: Position,
    /// How many events the relay has not had acknowledged yet.
    pub waiting: u64,
    /// What does not hold, at most the first hundred.
    pub findings: Vec<Finding>,
}

/// One thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which partition.
    pub partition: i32,
    /// At which offset, if it is a record.
    pub offset: Option<i64>,
    /// What.
    pub reason: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {}", self.partition)?;
        if let Some(offset) = self.offset {
            write!(f, ", offset {offset}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// A topic as it was when it was first looked at.
#[derive(Debug)]
pub struct Topic {
    kafka: ClientConfig,
    name: String,
    /// Of each partition, where its log begins and where it ends.
    bounds: Vec<(i64, i64)>,
    history: History,
    log_begins: Vec<Position>,
    checkpoint: Position,
    waiting: u64,
}

impl Topic {
    /// Looks where the topic ends and what the relay says it has; `None` if no relay has ever run.
    ///
    /// # Errors
    /// If Postgres or the broker is away, or there is no such topic.
    pub async fn look(
        reader: &Reader,
        kafka: &ClientConfig,
        name: &str,
        partitions: i32,
    ) -> anyhow::Result<Option<Self>> {
        // In this order: what is acknowledged now stands before the ends that are asked for next.
        let Some(row) = reader.relay_row().await?.filter(|row| row.checkpoint > Position::ZERO) else {
            return Ok(None);
        };
        let head = reader.head().await?;
        let partitions = usize::try_from(partitions)?;
        let bounds = Log::new(kafka, name).bounds(partitions).await.with_context(|| format!("looking at {name}"))?;
        let mut log_begins = row.log_begins;
        log_begins.resize(partitions, Position::ZERO);
        Ok(Some(Self {
            kafka: kafka.clone(),
            name: name.to_owned(),
            bounds,
            history: head.history,
            log_begins,
            checkpoint: row.checkpoint,
            waiting: (head.position.get() - row.checkpoint.get()).max(0).unsigned_abs(),
        }))
    }

    /// How many records it holds.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.bounds.iter().map(|(begin, end)| (end - begin).unsigned_abs()).sum()
    }

    /// Reads the topic once from its beginning and compares it with the store. `progress` hears how many records are
    /// done.
    ///
    /// # Errors
    /// If Postgres or the broker is away. What does not hold is no error but stands in the report.
    pub async fn compare(self, reader: &Reader, mut progress: impl FnMut(u64)) -> anyhow::Result<Report> {
        let (history, checkpoint, waiting) = (self.history, self.checkpoint, self.waiting);
        let mut walk = Walk::new(history, self.log_begins.clone(), checkpoint);
        let mut records = Records::read(self.kafka, self.name, self.bounds, reader.context().clone());
        while let Some(batch) = records.next().await? {
            compare(reader, &mut walk, &batch).await?;
            progress(walk.records());
        }
        let mut at = self.log_begins.iter().copied().min().unwrap_or_default();
        while at < checkpoint {
            let up_to = Position((at.get() + RANGE_EVENTS).min(checkpoint.get()));
            let missing = |row: crate::appender::rows::EventRow| {
                walk.row(row.position, &row.aggregate_id);
                Ok::<_, StoreError>(())
            };
            reader.rows_copy(at, up_to, missing).await?;
            at = up_to;
        }
        Ok(Report { checkpoint, waiting, ..walk.finish() })
    }
}

/// Compares a batch of records with the rows of the same positions.
async fn compare(reader: &Reader, walk: &mut Walk, batch: &[Seen]) -> Result<(), StoreError> {
    let wanted = batch.iter().filter_map(|seen| seen.read.as_ref().ok());
    let wanted: Vec<i64> = wanted.map(|delivered| delivered.event.position.get()).collect();
    let stored: Vec<Recorded<RawPayload>> = reader.at(&wanted).await?;
    for Seen { partition, offset, read } in batch {
        match read {
            Ok(delivered) => {
                let found = stored.binary_search_by_key(&delivered.event.position, |event| event.position);
                walk.record(*partition, *offset, delivered, found.ok().map(|index| &stored[index]));
            }
            Err(error) => walk.foreign(*partition, *offset, error.to_string()),
        }
    }
    Ok(())
}
