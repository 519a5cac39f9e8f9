//! What follows a projection: catches up from the store, lives on the feed, and goes back to the store at a gap or in
//! silence. One read, one transaction, one decision at a time, so that others come in between.

use std::time::Duration;

use envelope::Position;
use event_store::Head;
use event_store::simulation::Fact;
use projectors::simulation::{Cursor, Stamp, Stop, is_long};
use uuid::Uuid;

use crate::fault::Fault;
use crate::mutant::Mutant;
use crate::partition_of;
use crate::projectors::Incoming;
use crate::views::{CONTEXT, HISTORY, Moves, Stepped, place};
use crate::world::World;

/// A transaction that catches up from the store has at most so many events.
const RANGE_EVENTS: i64 = 4;

/// What a follower does next.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// Load the checkpoints.
    Load,
    /// Ask where the store ends.
    Head(Then),
    /// Read what is missing up to there.
    Range(Position, Then),
    Write(Transaction),
    /// The half of a transaction that a mutant commits apart.
    HalfWritten(Transaction),
    Live,
}

/// After the store was read.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// Take a seat and look once more what came before it.
    Join,
    Live,
    /// A gap was filled, if the checkpoints have moved; these records come next.
    Gap(Vec<Position>, Vec<Incoming>),
}

#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    facts: Vec<Fact>,
    moves: Moves,
    next: Box<Phase>,
}

impl World {
    pub(crate) fn follow(&mut self, at: usize) {
        if self.projectors[at].held.is_empty() {
            return;
        }
        match std::mem::replace(&mut self.projectors[at].phase, Phase::Load) {
            Phase::Load => self.load(at),
            Phase::Head(then) => self.ask_head(at, then),
            Phase::Range(end, then) => self.read_range(at, end, then),
            Phase::Write(transaction) => self.write(at, transaction),
            Phase::HalfWritten(transaction) => self.write_other_half(at, transaction),
            Phase::Live => self.live(at),
        }
    }

    fn load(&mut self, at: usize) {
        let checkpoints = self.views.load(&self.projectors[at].held);
        for held in checkpoints.values() {
            let there = self.store.range(Position(held.position.get() - 1), held.position);
            let same = held.event_id.is_none_or(|id| there.iter().any(|fact| fact.event_id == id));
            assert!(same, "the store does not have the event at the checkpoint {:?}", held.position);
        }
        let now = self.now_ms;
        let projector = &mut self.projectors[at];
        projector.heard_ms = checkpoints.keys().map(|place| (*place, now)).collect();
        projector.withdraw();
        // Whether anything is parked says the first step.
        projector.announce(checkpoints.iter(), false);
        projector.cursor = Some(Cursor::new(checkpoints));
        projector.phase = Phase::Head(Then::Join);
        projector.polls.clear();
        projector.seated = false;
    }

    fn cursor(&self, at: usize) -> &Cursor {
        self.projectors[at].cursor.as_ref().expect("a follower loads its checkpoints first")
    }

    fn positions(&self, at: usize) -> Vec<Position> {
        self.cursor(at).places().map(|(_, held)| held.position).collect()
    }

    fn ask_head(&mut self, at: usize, then: Then) {
        if self.strikes(Fault::ReadFails) {
            return;
        }
        let head = self.store.head();
        let position = head.map_or(Position::ZERO, |fact| fact.position);
        let end = Head { position, event_id: head.map(|fact| fact.event_id), history: HISTORY };
        assert!(self.cursor(at).fits(CONTEXT, &end), "the store ends at {position:?}, before a checkpoint");
        self.projectors[at].phase = Phase::Range(position, then);
    }

    fn read_range(&mut self, at: usize, end: Position, then: Then) {
        if self.strikes(Fault::ReadFails) {
            return;
        }
        let from = self.projectors[at].seen.read_after(self.cursor(at), CONTEXT);
        let Some(from) = from.filter(|from| *from < end) else { return self.caught_up(at, then) };
        let up_to = end.min(Position(from.get() + RANGE_EVENTS));
        let facts = self.store.range(from, up_to);
        let Some(last) = facts.last().map(|fact| (fact.position, fact.event_id)) else {
            panic!("the store has nothing after {from:?} though it ends at {end:?}")
        };
        let events: Vec<_> = facts.iter().map(|fact| (partition_of(fact.gate) as i32, fact.position)).collect();
        let plan = self.cursor(at).plan_store(CONTEXT, last, &events);
        self.note(|| format!("projector {at} reads the store after {} up to {}", from.get(), up_to.get()));
        let facts = plan.apply.iter().map(|index| facts[*index]).collect();
        let next = Box::new(Phase::Range(end, then));
        self.projectors[at].phase = Phase::Write(Transaction { facts, moves: plan.moves, next });
    }

    fn caught_up(&mut self, at: usize, then: Then) {
        let now = self.now_ms;
        let positions = self.positions(at);
        let projector = &mut self.projectors[at];
        projector.heard_ms.values_mut().for_each(|heard| *heard = now);
        projector.phase = match then {
            Then::Join => {
                projector.seated = true;
                Phase::Head(Then::Live)
            }
            Then::Live => Phase::Live,
            Then::Gap(before, rest) => {
                assert_ne!(
                    before, positions,
                    "the store does not have what record {:?} follows on",
                    rest[0].record.position
                );
                return self.plan(at, rest);
            }
        };
    }

    /// Records as they come, a look at the store when they do not.
    fn live(&mut self, at: usize) {
        self.projectors[at].phase = Phase::Live;
        if self.dice.percent(40) && self.is_silent(at) && !self.is(Mutant::SilenceIgnored) {
            self.note(|| format!("projector {at} meets silence"));
            self.projectors[at].phase = Phase::Head(Then::Live);
            return;
        }
        match self.projectors[at].polls.pop_front() {
            Some(poll) => self.plan(at, poll),
            None if !self.projectors[at].seated => self.projectors[at].phase = Phase::Head(Then::Join),
            None => {}
        }
    }

    fn is_silent(&self, at: usize) -> bool {
        let projector = &self.projectors[at];
        let waits = projector.progress.waiting(CONTEXT.name());
        self.cursor(at).places().any(|(place, held)| {
            let quiet = projector.heard_ms.get(place).map(|heard| Duration::from_millis(self.now_ms - heard));
            quiet.is_none_or(|quiet| is_long(quiet, waits)) && projector.seen.is_strange(*place, held)
        })
    }

    fn plan(&mut self, at: usize, records: Vec<Incoming>) {
        if self.is(Mutant::FilterDropped) {
            return self.take_all(at, &records);
        }
        let stamps: Vec<_> = records.iter().map(|it| self.stamp(at, it)).collect();
        let plan = self.cursor(at).plan(&stamps);
        let facts = plan.apply.iter().map(|index| self.fact(&records[*index])).collect();
        let next = match plan.stopped {
            None => Phase::Live,
            Some((index, Stop::Gap)) => {
                let mut before = self.cursor(at).clone();
                before.advance(&plan.moves);
                let before = before.places().map(|(_, held)| held.position).collect();
                Phase::Head(Then::Gap(before, records[index..].to_vec()))
            }
            Some((_, Stop::OtherHistory)) => panic!("there is but one history"),
        };
        self.note(|| format!("projector {at} applies {:?} of its records, then {}", plan.apply, next.name()));
        self.projectors[at].phase = match plan.moves.is_empty() {
            true => next,
            false => Phase::Write(Transaction { facts, moves: plan.moves, next: Box::new(next) }),
        };
    }

    fn stamp(&self, at: usize, incoming: &Incoming) -> Stamp {
        let Incoming { partition, offset, record } = *incoming;
        let place = place(partition);
        let held = self.cursor(at).places().find(|(known, _)| **known == place).map(|(_, held)| held.position);
        let blind = self.is(Mutant::GapOverlooked);
        let previous = if blind { held.unwrap_or_default().min(record.previous) } else { record.previous };
        Stamp { place, history: HISTORY, previous, position: record.position, event_id: record.event_id, offset }
    }

    /// Without the filter.
    fn take_all(&mut self, at: usize, records: &[Incoming]) {
        let mut moves = Moves::new();
        let held: Vec<_> = self.cursor(at).places().map(|(place, held)| (*place, *held)).collect();
        let own: Vec<_> =
            records.iter().filter(|it| held.iter().any(|(known, _)| *known == place(it.partition))).collect();
        for (place, from) in held {
            let newest = own.iter().filter(|it| place.partition == it.partition as i32).map(|it| it.record);
            if let Some(newest) = newest.max_by_key(|record| record.position).filter(|it| it.position > from.position) {
                let to = projectors::Checkpoint { position: newest.position, event_id: Some(newest.event_id), ..from };
                moves.insert(place, (from, to));
            }
        }
        let facts = own.into_iter().map(|incoming| self.fact(incoming)).collect();
        self.projectors[at].phase = Phase::Write(Transaction { facts, moves, next: Box::new(Phase::Live) });
    }

    /// What the record carries.
    fn fact(&self, incoming: &Incoming) -> Fact {
        let index = usize::try_from(incoming.record.position.get() - 1).expect("positions begin at one");
        let fact = self.oracle.facts[index];
        let id: Uuid = incoming.record.event_id;
        assert_eq!(fact.event_id, id, "the topic has another event at {:?} than the store", fact.position);
        fact
    }

    /// One transaction; a crash before it leaves nothing, and its acknowledgement may be lost.
    fn write(&mut self, at: usize, transaction: Transaction) {
        if self.strikes(Fault::ViewCommitFails) {
            return; // The checkpoints are loaded again.
        }
        let Transaction { facts, moves, next } = transaction;
        let stepped = match self.mutant {
            Some(Mutant::CheckpointFirst) => {
                if self.views.set(&moves, None) {
                    let half = Transaction { facts, moves, next };
                    self.projectors[at].phase = Phase::HalfWritten(half);
                }
                return;
            }
            Some(Mutant::RowsFirst) => {
                self.views.apply(&facts, None);
                let half = Transaction { facts: vec![], moves, next };
                self.projectors[at].phase = Phase::HalfWritten(half);
                return;
            }
            mutant => self.views.step(&facts, &moves, mutant),
        };
        self.written(at, stepped, &facts, &moves, *next);
    }

    fn write_other_half(&mut self, at: usize, transaction: Transaction) {
        let Transaction { facts, moves, next } = transaction;
        let stepped = match self.mutant {
            Some(Mutant::CheckpointFirst) => self.views.apply(&facts, None),
            _ => self.views.step(&[], &moves, None),
        };
        self.written(at, stepped, &facts, &moves, *next);
    }

    /// In the middle of what a mutant commits apart only a crash shows it.
    pub(crate) fn judge_views(&self) {
        if self.projectors.iter().all(|it| !matches!(it.phase, Phase::HalfWritten(_))) {
            self.views.judge(&self.oracle);
        }
    }

    fn written(&mut self, at: usize, stepped: Stepped, facts: &[Fact], moves: &Moves, next: Phase) {
        self.note(|| {
            let positions: Vec<_> = facts.iter().map(|fact| fact.position.get()).collect();
            let to: Vec<_> = moves.iter().map(|(place, (_, to))| (place.partition, to.position.get())).collect();
            format!("projector {at} commits {positions:?}, checkpoints {to:?}: {stepped:?}")
        });
        self.judge_views();
        let Stepped::Done { parked } = stepped else { return };
        if self.strikes(Fault::ViewCommitUnknown) {
            return;
        }
        let now = self.now_ms;
        let projector = &mut self.projectors[at];
        if let Some(cursor) = &mut projector.cursor {
            cursor.advance(moves);
        }
        projector.heard_ms.extend(moves.keys().map(|place| (*place, now)));
        let whole = !parked || self.mutant == Some(Mutant::ParkedCalledWhole);
        projector.announce(moves.iter().map(|(place, (_, to))| (place, to)), whole);
        projector.phase = next;
    }
}

impl Phase {
    fn name(&self) -> &'static str {
        match self {
            Self::Load => "loads its checkpoints",
            Self::Head(_) | Self::Range(..) => "meets a gap",
            Self::Write(_) | Self::HalfWritten(_) => "writes",
            Self::Live => "goes on",
        }
    }
}
