//! How far a projection has come, and which records are next: decided here, without I/O.
//!
//! A record is applied when `previous <= checkpoint < position`, dropped when it is not after the checkpoint, and shows
//! a gap otherwise. So a topic that repeats, loses or forgets records never makes a view wrong: what the gap hides is
//! read from the store.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use envelope::{History, Position};
use event_schemas::Context;
use event_store::Head;
use platform::faults;
use uuid::Uuid;

/// In place of a partition: the whole store, read by position.
pub const WHOLE_STORE: i32 = platform::progress::WHOLE_STORE;

/// Where events come from one after another: a partition of a context's topic, or the context's whole store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Whose events.
    pub context: Context,
    /// Which partition, or [`WHOLE_STORE`].
    pub partition: i32,
}

/// Everything up to `position` is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The history in which the position means something.
    pub history: History,
    /// The last position that is applied, or known to be of another place.
    pub position: Position,
    /// The event at that position.
    pub event_id: Option<Uuid>,
    /// The offset of the last record that came through the topic.
    pub topic_offset: Option<i64>,
}

impl Checkpoint {
    /// Whether the store that ends like this can be the one from which it was taken.
    pub(crate) fn fits(&self, head: &Head) -> bool {
        let is_there = match self.position.cmp(&head.position) {
            Ordering::Less => true,
            Ordering::Equal => self.event_id.is_none() || self.event_id == head.event_id,
            Ordering::Greater => false,
        };
        (self.history == head.history && is_there) || faults::planted("lost-events-ignored")
    }
}

/// Events that are known to stand at these positions, so that whoever reads on notices that a store lost them.
pub(crate) type Known = BTreeMap<Position, Uuid>;

/// What a record says about its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) place: Place,
    pub(crate) history: History,
    /// The position before it in its partition.
    pub(crate) previous: Position,
    pub(crate) position: Position,
    pub(crate) event_id: Uuid,
    pub(crate) offset: i64,
}

/// What to do with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Apply,
    Drop,
    /// Something before it is missing.
    Gap,
    /// Its position is one of another history than that of the checkpoint.
    OtherHistory,
}

/// Checkpoints that move together, each from what is held to what it becomes.
pub(crate) type Moves = BTreeMap<Place, (Checkpoint, Checkpoint)>;

/// What to do with a batch of records.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The records to apply, by their index.
    pub(crate) apply: Vec<usize>,
    pub(crate) moves: Moves,
    /// Where it stopped: the record at that index needs the store first.
    pub(crate) stopped: Option<(usize, Verdict)>,
}

/// The checkpoints of the places that a projection holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    at: BTreeMap<Place, Checkpoint>,
}

impl Cursor {
    pub(crate) fn new(at: BTreeMap<Place, Checkpoint>) -> Self {
        Self { at }
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = (&Place, &Checkpoint)> {
        self.at.iter()
    }

    pub(crate) fn of(&self, context: Context) -> impl Iterator<Item = (&Place, &Checkpoint)> {
        self.at.iter().filter(move |(place, _)| place.context == context)
    }

    /// The events that stand at the checkpoints of a context.
    pub(crate) fn known(&self, context: Context) -> Known {
        self.of(context).filter_map(|(_, held)| Some((held.position, held.event_id?))).collect()
    }

    /// Follows the moves once they are committed.
    pub(crate) fn advance(&mut self, moves: &Moves) {
        for (place, (_, to)) in moves {
            self.at.insert(*place, *to);
        }
    }

    /// Judges records in the order in which they came, each after those before it.
    pub(crate) fn plan(&self, stamps: impl Iterator<Item = Stamp>) -> Plan {
        let mut plan = Plan::default();
        for (index, stamp) in stamps.enumerate() {
            let Some(held) = self.at.get(&stamp.place) else { continue };
            let now = plan.moves.get(&stamp.place).map_or(held, |(_, to)| to);
            match judge(now, &stamp) {
                Verdict::Apply => {
                    plan.apply.push(index);
                    let to = Checkpoint {
                        history: now.history,
                        position: stamp.position,
                        event_id: Some(stamp.event_id),
                        topic_offset: Some(stamp.offset),
                    };
                    plan.moves.insert(stamp.place, (*held, to));
                }
                Verdict::Drop => {}
                stop @ (Verdict::Gap | Verdict::OtherHistory) => {
                    plan.stopped = Some((index, stop));
                    break;
                }
            }
        }
        plan
    }

    /// Plans a piece of the store that ends with the event `last` and leaves none out after the smallest checkpoint.
    /// The checkpoints of all places of the context move to its end: nothing of theirs lies before it any more.
    pub(crate) fn plan_store(
        &self,
        context: Context,
        last: (Position, Uuid),
        events: impl Iterator<Item = (i32, Position)>,
    ) -> Plan {
        let mut plan = Plan::default();
        for (index, (partition, position)) in events.enumerate() {
            let places = [partition, WHOLE_STORE].map(|partition| Place { context, partition });
            let held = places.iter().find_map(|place| self.at.get(place));
            if held.is_some_and(|held| held.position < position) {
                plan.apply.push(index);
            }
        }
        for (place, held) in self.of(context).filter(|(_, held)| held.position < last.0) {
            let to = Checkpoint { position: last.0, event_id: Some(last.1), ..*held };
            plan.moves.insert(*place, (*held, to));
        }
        plan
    }
}

fn judge(held: &Checkpoint, record: &Stamp) -> Verdict {
    if record.history != held.history {
        Verdict::OtherHistory
    } else if record.position <= held.position && !faults::planted("no-position-filter") {
        Verdict::Drop
    } else if record.previous <= held.position || faults::planted("gap-blind") {
        Verdict::Apply
    } else {
        Verdict::Gap
    }
}

#[cfg(test)]
mod tests;
