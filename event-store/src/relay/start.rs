//! Where a new producer starts in a partition, decided from what the relay remembers and what the log holds.
//!
//! Pure, because every branch of it was once a way to lose an event. What is looked at:
//! - the first record: it must follow directly on where the log is meant to begin, else its head was cut off;
//! - the record at the last acknowledged offset: it must be the one we know, else the log was wiped or cut and
//!   written again, and what lies between is in doubt;
//! - the last record: publishing starts after it or after the acknowledged one, whichever is smaller. If the last
//!   report told no offset, it must be the acknowledged one, and is the witness from then on.

use envelope::{History, Position};
use uuid::Uuid;

use super::cursor::{Kept, Lane};

/// One record of ours as it stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) position: Position,
    pub(crate) previous: Position,
    pub(crate) history: History,
    pub(crate) event_id: Uuid,
}

/// What stands at a place of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The log has no such offset.
    Nothing,
    /// A record that the relay did not write.
    Foreign,
    /// A record of a relay of ours.
    Ours(Mark),
}

/// What was seen of the log of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The offset that the next record will get.
    pub(crate) end: i64,
    /// The offset of the first record; the end if there is none.
    pub(crate) low: i64,
    pub(crate) first: Place,
    /// What stands at the last acknowledged offset.
    pub(crate) anchor: Place,
    pub(crate) last: Place,
}

/// How to start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) lane: Lane,
    /// The log is in doubt: empty it first, then publish all of it again.
    pub(crate) refill: bool,
}

impl Seen {
    /// The marks of ours, for comparing them with the store.
    pub(crate) fn marks(&self) -> impl Iterator<Item = Mark> {
        [self.first, self.anchor, self.last].into_iter().filter_map(|place| match place {
            Place::Ours(mark) => Some(mark),
            Place::Nothing | Place::Foreign => None,
        })
    }
}

/// Decides for one partition.
pub(crate) fn start(kept: &Kept, seen: &Seen) -> Start {
    let from_the_beginning = Kept { acknowledged: kept.begins, offset: None, ..*kept };
    let at = |kept: Kept, refill| {
        let first_offset = Some(if refill { seen.end } else { seen.low });
        Start { lane: Lane { kept: Kept { first_offset, ..kept }, last_offset: seen.end - 1 }, refill }
    };
    if platform::faults::planted("log-trusted") {
        return at(*kept, false);
    }
    let Place::Ours(first) = seen.first else {
        // Empty: nothing to empty. Foreign: nobody else writes here, so what stands there is no copy of the store.
        return at(from_the_beginning, seen.first == Place::Foreign);
    };
    let cut = kept.first_offset.is_some_and(|first_offset| first_offset != seen.low);
    if cut || first.previous != kept.begins {
        return at(from_the_beginning, true);
    }
    if kept.acknowledged <= kept.begins {
        return at(from_the_beginning, false);
    }
    let here = Some(seen.end - 1);
    let anchored = match (kept.offset, seen.anchor) {
        (None, _) => None,
        (Some(_), Place::Ours(mark)) if mark.position == kept.acknowledged => Some(true),
        (Some(_), _) => Some(false),
    };
    match (anchored, seen.last) {
        (Some(false), _) => at(from_the_beginning, true),
        (Some(true), Place::Ours(last)) if last.position < kept.acknowledged => {
            let offset = here.filter(|_| last.position > kept.begins);
            at(Kept { acknowledged: last.position.max(kept.begins), offset, ..*kept }, false)
        }
        (Some(true), _) => at(*kept, false),
        (None, Place::Ours(last)) if last.position == kept.acknowledged => at(Kept { offset: here, ..*kept }, false),
        // Beyond it may stand what a producer wrote after the log had lost its end, without what was lost. It costs a
        // whole log, and only where a report told no offset, nothing was acknowledged after it, and more was written.
        (None, _) => at(from_the_beginning, true),
    }
}

/// What is acknowledged in all partitions when each starts there: what lies after it is read from the store again.
pub(crate) fn checkpoint(saved: Position, before: &[Kept], starts: &[Start]) -> Position {
    let lowered = before.iter().zip(starts).filter(|(kept, start)| start.lane.kept.acknowledged < kept.acknowledged);
    lowered.map(|(_, start)| start.lane.kept.acknowledged).fold(saved, Position::min)
}

/// No log begins there.
const NOWHERE: i64 = -1;

/// What the row says of a partition whose log was reset: that nothing is in it, and that it begins elsewhere than it
/// should, so that it is emptied. To the next look at it the log may seem whole, if the last report told no offset and
/// there is no witness. Returns the checkpoint that goes with it.
pub(crate) fn doubt(saved: Position, kept: &mut Kept) -> Position {
    *kept = Kept { acknowledged: kept.begins, offset: None, first_offset: Some(NOWHERE), ..*kept };
    saved.min(kept.begins)
}

/// How a new producer begins, in all partitions.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What the row says from now on.
    pub(crate) checkpoint: Position,
    pub(crate) kept: Vec<Kept>,
    pub(crate) lanes: Vec<Lane>,
    /// The partitions to empty, once the row is saved: each up to the offset where it ended.
    pub(crate) refills: Vec<(usize, i64)>,
}

/// Decides for all partitions, from what the row says and what the logs hold.
pub(crate) fn plan(saved: Position, kept: &[Kept], seen: &[Seen]) -> Plan {
    let starts: Vec<Start> = kept.iter().zip(seen).map(|(kept, seen)| start(kept, seen)).collect();
    let doubtful = starts.iter().zip(seen).enumerate().filter(|(_, (start, _))| start.refill);
    Plan {
        checkpoint: checkpoint(saved, kept, &starts),
        kept: starts.iter().map(|start| start.lane.kept).collect(),
        refills: doubtful.map(|(partition, (_, seen))| (partition, seen.end)).collect(),
        lanes: starts.iter().map(|start| start.lane).collect(),
    }
}

#[cfg(test)]
mod tests;
