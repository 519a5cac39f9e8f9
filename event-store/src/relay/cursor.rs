//! What the relay publishes next and how far it has come: a state machine without I/O.
//!
//! The topic is a copy of the store, and a reader without access to the store must be able to trust it: it takes a
//! record only if `previous <= highest < position`. So in each partition every record names the position before it,
//! records are published in order of position, and whatever may have been lost is published again from a place that
//! is certainly in the log. Records may stand there twice; none may be missing at rest.

use std::collections::VecDeque;

use envelope::Position;
use platform::faults;

/// What is known of one partition and worth remembering across restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Kept {
    /// The log holds what comes after this position: zero, unless the relay was told to begin at the head.
    pub(crate) begins: Position,
    /// This event and all before it in the partition are acknowledged.
    pub(crate) acknowledged: Position,
    /// Where that record stands, if the broker said so: the witness that the log is still the one we filled.
    pub(crate) offset: Option<i64>,
    /// Where the log began when it was first seen or last emptied: if it begins elsewhere, its head was cut off, also
    /// where a repeat of the first record makes what is left look whole.
    pub(crate) first_offset: Option<i64>,
}

/// Where publishing starts in one partition, and the highest offset that the log had then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane {
    pub(crate) kept: Kept,
    pub(crate) last_offset: i64,
}

/// The log of a partition lost records that were acknowledged. Kafka raises no error for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LogReset {
    /// It was deleted, or its end was cut off.
    #[error("the log of partition {partition} was reset: offset {found} where more than {expected} was due")]
    Shrunk { partition: usize, expected: i64, found: i64 },
    /// Its first records are gone.
    #[error("the log of partition {partition} lost its head: it begins at offset {found} instead of {expected}")]
    Beheaded { partition: usize, expected: i64, found: i64 },
}

impl LogReset {
    /// Of which partition.
    pub(crate) fn partition(&self) -> usize {
        match self {
            Self::Shrunk { partition, .. } | Self::Beheaded { partition, .. } => *partition,
        }
    }
}

/// Between which offsets the log of a partition was known to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Of the first record, if somebody has looked.
    pub(crate) first: Option<i64>,
    pub(crate) last: i64,
}

/// The progress of one leader's one producer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cursor {
    partitions: Vec<Partition>,
    /// Everything up to here was offered.
    read: Position,
    in_flight: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Partition {
    kept: Kept,
    /// The newest one handed to the producer: the `previous` of the next.
    published: Position,
    last_offset: i64,
    in_flight: VecDeque<InFlight>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct InFlight {
    position: Position,
    /// `Some` once acknowledged, with the offset if the broker told it.
    acknowledged: Option<Option<i64>>,
}

impl Cursor {
    /// Starts each partition after its acknowledged position. `checkpoint` is what is acknowledged in all of them, so
    /// events after it are offered again, and those that a partition has are passed over.
    pub(crate) fn new(checkpoint: Position, lanes: &[Lane]) -> Self {
        let partition = |lane: &Lane| Partition {
            kept: lane.kept,
            published: lane.kept.acknowledged,
            last_offset: lane.last_offset,
            in_flight: VecDeque::new(),
        };
        Self { partitions: lanes.iter().map(partition).collect(), read: checkpoint, in_flight: 0 }
    }

    /// The store is read after this position.
    pub(crate) fn read(&self) -> Position {
        self.read
    }

    /// The `previous` that this event is published with, or `None` if its partition has it already. Changes nothing.
    pub(crate) fn previous(&self, partition: usize, position: Position) -> Option<Position> {
        let published = self.partitions[partition].published;
        let guessed = faults::planted("previous-guessed").then(|| Position(position.get() - 1));
        (position > published).then_some(guessed.unwrap_or(published))
    }

    /// The event was handed to the producer, or passed over because its partition has it.
    pub(crate) fn published(&mut self, partition: usize, position: Position) {
        self.read = self.read.max(position);
        let lane = &mut self.partitions[partition];
        if position > lane.published {
            lane.published = position;
            lane.in_flight.push_back(InFlight { position, acknowledged: None });
            self.in_flight += 1;
        }
    }

    /// The broker has the record. A second report on it is ignored. An offset that does not grow means that
    /// the log was reset under a live producer; from then on nothing counts as acknowledged.
    pub(crate) fn acknowledge(
        &mut self,
        partition: usize,
        position: Position,
        offset: Option<i64>,
    ) -> Result<(), LogReset> {
        let Some(lane) = self.partitions.get_mut(partition) else { return Ok(()) };
        let Ok(index) = lane.in_flight.binary_search_by_key(&position, |sent| sent.position) else { return Ok(()) };
        if lane.in_flight[index].acknowledged.is_some() {
            return Ok(());
        }
        if let Some(offset) = offset {
            lane.grows(partition, offset)?;
        }
        // Where it stands nobody knows, but the log has become longer: the next one cannot have this place.
        lane.last_offset = offset.unwrap_or(lane.last_offset + 1);
        lane.in_flight[index].acknowledged = Some(offset);
        while let Some(InFlight { position, acknowledged: Some(offset) }) = lane.in_flight.front() {
            lane.kept.acknowledged = *position;
            lane.kept.offset = *offset;
            lane.in_flight.pop_front();
            self.in_flight -= 1;
        }
        Ok(())
    }

    /// What is known of each partition's log, to be compared later with where it begins and ends.
    pub(crate) fn known(&self) -> Vec<Known> {
        self.partitions.iter().map(|lane| Known { first: lane.kept.first_offset, last: lane.last_offset }).collect()
    }

    /// Records given to the producer and not known to be in the log.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Everything up to here is acknowledged, in all partitions.
    pub(crate) fn checkpoint(&self) -> Position {
        if faults::planted("relay-row-ahead") {
            return self.read;
        }
        let oldest = self.partitions.iter().filter_map(|lane| lane.in_flight.front()).map(|sent| sent.position).min();
        oldest.map_or(self.read, |oldest| Position(oldest.get() - 1))
    }

    /// What to remember of each partition.
    pub(crate) fn kept(&self) -> Vec<Kept> {
        self.partitions.iter().map(|lane| lane.kept).collect()
    }
}

impl Partition {
    fn grows(&self, partition: usize, found: i64) -> Result<(), LogReset> {
        let expected = self.last_offset;
        if found > expected || faults::planted("log-trusted") {
            Ok(())
        } else {
            Err(LogReset::Shrunk { partition, expected, found })
        }
    }
}

/// Compares where logs begin and end (the offset that comes next) with what was known before they were asked.
pub(crate) fn bounds_hold(known: &[Known], bounds: &[(i64, i64)]) -> Result<(), LogReset> {
    if faults::planted("log-trusted") {
        return Ok(());
    }
    for (partition, (known, (begin, end))) in known.iter().zip(bounds).enumerate() {
        if *end <= known.last {
            return Err(LogReset::Shrunk { partition, expected: known.last, found: end - 1 });
        }
        if let Some(expected) = known.first.filter(|first| begin > first) {
            return Err(LogReset::Beheaded { partition, expected, found: *begin });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
