//! The log: partitions that take records, lose them, and give them to whoever reads.

use envelope::Position;
use event_store::simulation::relay::{Log, Record};

use crate::PARTITIONS;

pub(crate) struct Broker {
    pub(crate) logs: Vec<Log>,
    /// A partition lost its tail.
    pub(crate) tail_lost: bool,
    /// A report did not tell its offset, so the relay may be without a witness.
    pub(crate) untold: bool,
    /// A tail was lost, and somebody wrote who did not lead; or the relay that had no witness died before it noticed.
    /// Nothing tells the log from the one that was then, and a reader without the store may stand still.
    pub(crate) in_doubt: bool,
}

impl Broker {
    pub(crate) fn new() -> Self {
        Self { logs: vec![Log::default(); PARTITIONS], tail_lost: false, untold: false, in_doubt: false }
    }

    /// Writes a record; `leads`: it comes from the relay that leads.
    pub(crate) fn write(&mut self, partition: usize, record: Record, leads: bool) -> i64 {
        self.in_doubt |= self.tail_lost && !leads;
        let offset = self.logs[partition].end();
        self.logs[partition].records.push(record);
        offset
    }

    /// A relay ends that may be the only one to know how long the log was.
    pub(crate) fn forget_untold(&mut self) {
        self.in_doubt |= self.tail_lost && self.untold;
    }

    pub(crate) fn wipe(&mut self, partition: usize) {
        self.logs[partition] = Log::default();
    }

    pub(crate) fn lose_tail(&mut self, partition: usize, count: usize) {
        self.tail_lost = true;
        let log = &mut self.logs[partition];
        log.records.truncate(log.records.len().saturating_sub(count));
    }

    pub(crate) fn cut_head(&mut self, partition: usize) {
        let log = &mut self.logs[partition];
        let up_to = log.low + log.records.len() as i64 / 2;
        log.empty(up_to);
    }
}

/// A reader without the store, by the rule that it is told: a record only if `previous <= highest < position`, and at a
/// hole once from the beginning.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outsider {
    pub(crate) taken: Vec<Position>,
    offset: i64,
    /// The hole at which it began again.
    hole: Option<Position>,
}

impl Outsider {
    fn highest(&self) -> Position {
        self.taken.last().copied().unwrap_or_default()
    }

    /// From the beginning, with what it has.
    pub(crate) fn start_again(&mut self) {
        (self.offset, self.hole) = (0, None);
    }

    /// Reads one record; `false` if there is none.
    pub(crate) fn read(&mut self, log: &Log) -> bool {
        if self.offset > log.end() || self.offset < log.low {
            self.offset = log.low;
        }
        let Some(record) = log.at(self.offset) else { return false };
        self.offset += 1;
        let highest = self.highest();
        if record.previous <= highest && highest < record.position {
            self.taken.push(record.position);
            self.hole = None;
        } else if record.previous > highest && self.hole != Some(highest) {
            (self.hole, self.offset) = (Some(highest), log.low);
        }
        true
    }
}
