//! The relay's machines: where a producer starts, what is published next, and whether the log is still the same.

use envelope::{History, Position};
use uuid::Uuid;

use crate::relay::cursor::{Cursor, Kept, LogReset, bounds_hold};
use crate::relay::start::{self, Mark, Place, Seen};

/// The row of the relay in the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// Of the newest leader.
    pub term: i64,
    checkpoint: Position,
    kept: Vec<Kept>,
}

/// A record as it stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// The position of the event.
    pub position: Position,
    /// The one before it in its partition.
    pub previous: Position,
    /// The event.
    pub event_id: Uuid,
}

/// The log of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Log {
    /// The offset of its first record.
    pub low: i64,
    /// What stands in it from there.
    pub records: Vec<Record>,
}

/// What a relay has seen of one partition.
#[derive(Clone, Debug)]
pub struct Looked(Seen);

/// How a producer is to begin.
#[derive(Clone, Debug)]
pub struct Beginning {
    cursor: Cursor,
    refills: Vec<(usize, i64)>,
}

/// The log of a partition lost what was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct Reset(#[from] LogReset);

/// The progress of one producer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Publishing(Cursor);

impl Row {
    /// Nothing is published yet.
    #[must_use]
    pub fn new(partitions: usize) -> Self {
        Self { term: 0, checkpoint: Position::ZERO, kept: vec![Kept::default(); partitions] }
    }

    /// Everything up to here is acknowledged.
    #[must_use]
    pub fn checkpoint(&self) -> Position {
        self.checkpoint
    }

    /// The last acknowledged position in each partition.
    #[must_use]
    pub fn last_positions(&self) -> Vec<Position> {
        self.kept.iter().map(|kept| kept.acknowledged).collect()
    }

    /// Looks at a partition as a relay does before it begins.
    #[must_use]
    pub fn look(&self, partition: usize, log: &Log) -> Looked {
        let anchor = self.kept[partition].offset.map_or(Place::Nothing, |offset| log.place(offset));
        Looked(Seen { end: log.end(), low: log.low, first: log.place(log.low), anchor, last: log.place(log.end() - 1) })
    }

    /// Decides where a producer begins, and changes the row as it is to be saved.
    #[must_use]
    pub fn begin(&mut self, looked: &[Looked]) -> Beginning {
        let seen: Vec<Seen> = looked.iter().map(|looked| looked.0).collect();
        let plan = start::plan(self.checkpoint, &self.kept, &seen);
        (self.checkpoint, self.kept) = (plan.checkpoint, plan.kept);
        let refills = plan.refills;
        Beginning { cursor: Cursor::new(self.checkpoint, &plan.lanes), refills }
    }

    /// A log was reset: what it holds is in doubt.
    pub fn doubt(&mut self, reset: &Reset) {
        self.checkpoint = start::doubt(self.checkpoint, &mut self.kept[reset.0.partition()]);
    }

    /// Takes the progress of a producer.
    pub fn keep(&mut self, publishing: &Publishing) {
        (self.checkpoint, self.kept) = (publishing.0.checkpoint(), publishing.0.kept());
    }
}

impl Beginning {
    /// The partitions to empty before the first record is published, each up to this offset.
    #[must_use]
    pub fn refills(&self) -> &[(usize, i64)] {
        &self.refills
    }

    /// They are emptied.
    #[must_use]
    pub fn publishing(self) -> Publishing {
        Publishing(self.cursor)
    }
}

impl Publishing {
    /// The store is read after this position.
    #[must_use]
    pub fn read(&self) -> Position {
        self.0.read()
    }

    /// Hands over an event of this partition: the record, unless the partition has it.
    pub fn publish(&mut self, partition: usize, position: Position, event_id: Uuid) -> Option<Record> {
        let previous = self.0.previous(partition, position);
        self.0.published(partition, position);
        previous.map(|previous| Record { position, previous, event_id })
    }

    /// The broker reports on a record.
    ///
    /// # Errors
    /// If the log was reset.
    pub fn acknowledge(&mut self, partition: usize, position: Position, offset: Option<i64>) -> Result<(), Reset> {
        Ok(self.0.acknowledge(partition, position, offset)?)
    }

    /// How many records wait for their report.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.0.in_flight()
    }

    /// Everything up to here is acknowledged.
    #[must_use]
    pub fn checkpoint(&self) -> Position {
        self.0.checkpoint()
    }

    /// Whether the logs begin and end where they must.
    ///
    /// # Errors
    /// If one was reset.
    pub fn watch(&self, logs: &[Log]) -> Result<(), Reset> {
        let bounds: Vec<_> = logs.iter().map(|log| (log.low, log.end())).collect();
        Ok(bounds_hold(&self.0.known(), &bounds)?)
    }
}

impl Log {
    /// The offset of the next record.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.low + i64::try_from(self.records.len()).expect("logs of simulations are short")
    }

    /// The record at an offset.
    #[must_use]
    pub fn at(&self, offset: i64) -> Option<Record> {
        usize::try_from(offset - self.low).ok().and_then(|index| self.records.get(index)).copied()
    }

    /// Deletes what stands before an offset.
    pub fn empty(&mut self, up_to: i64) {
        let count = usize::try_from(up_to.min(self.end()) - self.low).unwrap_or_default();
        self.records.drain(..count);
        self.low += i64::try_from(count).expect("logs of simulations are short");
    }

    fn place(&self, offset: i64) -> Place {
        self.at(offset).map_or(Place::Nothing, |Record { position, previous, event_id }| {
            Place::Ours(Mark { position, previous, history: History(Uuid::nil()), event_id })
        })
    }
}
