//! The machines of this crate, for those who simulate a whole system of them; nothing of it is part of any program.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use envelope::{History, Position};
use event_schemas::Context;
use event_store::Head;
use uuid::Uuid;

use crate::checkpoint::{self, Verdict};
use crate::parking::{Fate, Parking};
use crate::silence;
use crate::{Checkpoint, Place};

/// What a record says about its place.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Where it came from.
    pub place: Place,
    /// What its position means.
    pub history: History,
    /// The position before it in its partition.
    pub previous: Position,
    /// Its position.
    pub position: Position,
    /// The event.
    pub event_id: Uuid,
    /// Where it stands in the log.
    pub offset: i64,
}

/// What to do with a batch of records or a piece of the store.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What to apply, by its index.
    pub apply: Vec<usize>,
    /// Which checkpoints move, from what is held to what they become.
    pub moves: BTreeMap<Place, (Checkpoint, Checkpoint)>,
    /// Where the plan stopped: at the record with this index.
    pub stopped: Option<(usize, Stop)>,
}

/// Why a plan stops before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Something before the record is missing.
    Gap,
    /// The record is of another history.
    OtherHistory,
}

/// The checkpoints that a follower holds.
#[derive(Clone, Debug)]
pub struct Cursor(checkpoint::Cursor);

impl Cursor {
    /// As they were loaded.
    #[must_use]
    pub fn new(at: BTreeMap<Place, Checkpoint>) -> Self {
        Self(checkpoint::Cursor::new(at))
    }

    /// All of them.
    pub fn places(&self) -> impl Iterator<Item = (&Place, &Checkpoint)> {
        self.0.places()
    }

    /// Judges records in the order in which they came.
    #[must_use]
    pub fn plan(&self, stamps: &[Stamp]) -> Plan {
        let stamps = stamps.iter().map(|stamp| checkpoint::Stamp {
            place: stamp.place,
            history: stamp.history,
            previous: stamp.previous,
            position: stamp.position,
            event_id: stamp.event_id,
            offset: stamp.offset,
        });
        plan(self.0.plan(stamps))
    }

    /// Plans a piece of the store that ends with the event `last`.
    #[must_use]
    pub fn plan_store(&self, context: Context, last: (Position, Uuid), events: &[(i32, Position)]) -> Plan {
        plan(self.0.plan_store(context, last, events.iter().copied()))
    }

    /// Follows the moves once they are committed.
    pub fn advance(&mut self, moves: &BTreeMap<Place, (Checkpoint, Checkpoint)>) {
        self.0.advance(moves);
    }

    /// Whether the store that ends like this can be the one from which the checkpoints were taken.
    #[must_use]
    pub fn fits(&self, context: Context, head: &Head) -> bool {
        self.0.of(context).all(|(_, held)| held.fits(head))
    }

    /// The events that stand at the checkpoints.
    #[must_use]
    pub fn known(&self, context: Context) -> BTreeMap<Position, Uuid> {
        self.0.known(context)
    }
}

fn plan(plan: checkpoint::Plan) -> Plan {
    let stopped = plan.stopped.map(|(index, verdict)| match verdict {
        Verdict::Gap => (index, Stop::Gap),
        Verdict::OtherHistory | Verdict::Apply | Verdict::Drop => (index, Stop::OtherHistory),
    });
    Plan { apply: plan.apply, moves: plan.moves, stopped }
}

/// What a store and its relay said when they were last asked.
#[derive(Clone, Debug, Default)]
pub struct Seen(silence::Seen);

impl Seen {
    /// Asked: the row of the relay first, the head of the store then.
    #[must_use]
    pub fn new(head: (Position, Option<Uuid>), published: Position, last: Vec<Position>) -> Self {
        Self(silence::Seen { head: head.0, head_event: head.1, published, last })
    }

    /// The event at which the store ended, and its position.
    #[must_use]
    pub fn end(&self) -> Option<(Position, Uuid)> {
        Some((self.0.head, self.0.head_event?))
    }

    /// Whether the store should be asked, if this place is quiet.
    #[must_use]
    pub fn is_strange(&self, place: Place, held: &Checkpoint) -> bool {
        self.0.is_strange(place, held)
    }

    /// From where the store has to be read to bring all places of a context on.
    #[must_use]
    pub fn read_after(&self, cursor: &Cursor, context: Context) -> Option<Position> {
        self.0.read_after(&cursor.0, context)
    }
}

/// Whether a place has been quiet for so long that the store should be asked.
#[must_use]
pub fn is_long(quiet_for: Duration, somebody_waits: bool) -> bool {
    silence::is_long(quiet_for, somebody_waits)
}

/// Which events of a batch wait behind a parked one of their aggregate.
#[derive(Debug)]
pub struct Queues(Parking<usize>);

impl Queues {
    /// The aggregates of which something is parked.
    #[must_use]
    pub fn new(blocked: HashSet<usize>) -> Self {
        Self(Parking::new(blocked))
    }

    /// Whether an event of this aggregate is parked behind another.
    #[must_use]
    pub fn is_behind(&self, aggregate: usize) -> bool {
        self.0.fate(&aggregate) == Fate::Behind
    }

    /// An event of this aggregate could not be applied.
    pub fn parked(&mut self, aggregate: usize) {
        self.0.parked(aggregate);
    }

    /// Whether anything is parked.
    #[must_use]
    pub fn parks(&self) -> bool {
        self.0.parks()
    }
}
