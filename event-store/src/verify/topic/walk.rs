//! The comparison as a state machine without I/O: fed record by record in each partition's order, then row by row.

use envelope::{History, Position, Recorded};

use super::{Finding, Report};
use crate::RawPayload;
use crate::relay::reading::Delivered;

/// How many findings are kept; the first one matters most.
const FINDINGS_MAX: usize = 100;

pub(super) struct Walk {
    history: History,
    lanes: Vec<Lane>,
    checkpoint: Position,
    /// One bit per position: a record for it was seen.
    seen: Vec<u64>,
    report: Report,
}

/// One partition as an outside reader goes through it.
struct Lane {
    begins: Position,
    /// The newest event that a reader has who takes a record only if `previous <= highest < position`.
    highest: Position,
    /// The newest event that such a reader had to leave alone.
    beyond: Position,
    missing: u64,
}

impl Walk {
    pub(super) fn new(history: History, log_begins: Vec<Position>, checkpoint: Position) -> Self {
        let lane = |begins| Lane { begins, highest: begins, beyond: begins, missing: 0 };
        Self {
            history,
            lanes: log_begins.into_iter().map(lane).collect(),
            checkpoint,
            seen: Vec::new(),
            report: Report::default(),
        }
    }

    pub(super) fn records(&self) -> u64 {
        self.report.records
    }

    /// A record that no relay wrote.
    pub(super) fn foreign(&mut self, partition: usize, offset: i64, reason: String) {
        self.report.records += 1;
        self.found(partition, Some(offset), reason);
    }

    /// A record of a relay, and the event that the store has at its position.
    pub(super) fn record(
        &mut self,
        partition: usize,
        offset: i64,
        delivered: &Delivered,
        stored: Option<&Recorded<RawPayload>>,
    ) {
        self.report.records += 1;
        if let Err(reason) = self.like_the_store(partition, delivered, stored) {
            return self.found(partition, Some(offset), reason);
        }
        let (position, previous) = (delivered.event.position, delivered.previous);
        if self.mark(position) {
            self.report.repeated += 1;
        }
        let lane = &mut self.lanes[partition];
        if position <= lane.highest {
            return;
        }
        if previous > lane.highest {
            lane.beyond = lane.beyond.max(position);
            return;
        }
        let highest = std::mem::replace(&mut lane.highest, position);
        if previous < highest {
            let reason = format!("event {position} names {previous} as the one before it, which is {highest}");
            self.found(partition, Some(offset), reason);
        }
    }

    fn like_the_store(
        &self,
        partition: usize,
        delivered: &Delivered,
        stored: Option<&Recorded<RawPayload>>,
    ) -> Result<(), String> {
        let Delivered { event, history, .. } = delivered;
        let position = event.position;
        if *history != self.history {
            return Err(format!("event {position} is of history {history}, the store is in {}", self.history));
        }
        let due = self.partition_of(&event.aggregate_id);
        if due != partition {
            return Err(format!("event {position} of `{}` belongs into partition {due}", event.aggregate_id));
        }
        let stored = stored.ok_or_else(|| format!("the store has no event {position}"))?;
        if event.event_id != stored.event_id {
            return Err(format!("event {position} is {} here and {} in the store", event.event_id, stored.event_id));
        }
        if event.data != stored.data {
            return Err(format!("event {position} has another payload than in the store"));
        }
        if event != stored {
            return Err(format!("event {position} has other attributes than in the store"));
        }
        Ok(())
    }

    /// An event that the store has: a record must have been there for it.
    pub(super) fn row(&mut self, position: Position, aggregate_id: &str) {
        let partition = self.partition_of(aggregate_id);
        if position <= self.lanes[partition].begins || position > self.checkpoint || self.has(position) {
            return;
        }
        self.lanes[partition].missing += 1;
        self.found(partition, None, format!("event {position} is missing"));
    }

    pub(super) fn finish(mut self) -> Report {
        for partition in 0..self.lanes.len() {
            let Lane { highest, beyond, missing, .. } = self.lanes[partition];
            if missing == 0 && beyond > highest && highest < self.checkpoint {
                let reason = format!("a reader who leaves nothing out stops after event {highest}, before {beyond}");
                self.found(partition, None, reason);
            }
        }
        self.report
    }

    fn partition_of(&self, aggregate_id: &str) -> usize {
        let partitions = i32::try_from(self.lanes.len()).unwrap_or(i32::MAX);
        usize::try_from(platform::kafka::partition_of(aggregate_id, partitions)).unwrap_or_default()
    }

    fn has(&self, position: Position) -> bool {
        let (word, bit) = place(position);
        self.seen.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// `true` if it was marked before.
    fn mark(&mut self, position: Position) -> bool {
        let (word, bit) = place(position);
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let marked = self.seen[word] & bit != 0;
        self.seen[word] |= bit;
        marked
    }

    fn found(&mut self, partition: usize, offset: Option<i64>, reason: String) {
        if self.report.findings.len() < FINDINGS_MAX {
            let partition = i32::try_from(partition).unwrap_or(i32::MAX);
            self.report.findings.push(Finding { partition, offset, reason });
        }
    }
}

fn place(position: Position) -> (usize, u64) {
    let index = position.get().unsigned_abs();
    (usize::try_from(index / 64).unwrap_or(usize::MAX), 1 << (index % 64))
}

#[cfg(test)]
mod tests;
