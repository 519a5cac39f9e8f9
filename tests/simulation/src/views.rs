//! The database of the views: rows, checkpoints and what is parked, changed by transactions that happen at once.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use envelope::{History, Position};
use event_schemas::Context;
use event_store::simulation::Fact;
use projectors::simulation::Queues;
use projectors::{Checkpoint, Place};
use uuid::Uuid;

use crate::mutant::Mutant;
use crate::oracle::{Oracle, Shown};
use crate::{GATES, PARTITIONS, partition_of};

/// Whose events.
pub(crate) const CONTEXT: Context = Context::Orders;
/// What the view is called.
pub(crate) const VIEW: &str = "gates";
/// The store has but one.
pub(crate) const HISTORY: History = History(Uuid::nil());

/// Checkpoints from what is held to what they become.
pub(crate) type Moves = BTreeMap<Place, (Checkpoint, Checkpoint)>;

#[derive(Default)]
pub(crate) struct Views {
    rows: [Shown; GATES],
    checkpoints: BTreeMap<Place, Checkpoint>,
    /// By gate, in order.
    parked: BTreeMap<usize, Vec<Fact>>,
    /// Commands whose events cannot be applied.
    pub(crate) poison: BTreeSet<usize>,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stepped {
    Done { parked: bool },
    Lost,
}

/// The part of the topic that a partition is.
pub(crate) fn place(partition: usize) -> Place {
    Place { context: CONTEXT, partition: partition as i32 }
}

impl Views {
    /// The checkpoints of these partitions; those that do not exist are made.
    pub(crate) fn load(&mut self, partitions: &[usize]) -> BTreeMap<Place, Checkpoint> {
        let new = Checkpoint { history: HISTORY, position: Position::ZERO, event_id: None, topic_offset: None };
        let places = partitions.iter().map(|partition| place(*partition));
        places.map(|place| (place, *self.checkpoints.entry(place).or_insert(new))).collect()
    }

    pub(crate) fn checkpoint(&self, partition: usize) -> Option<Checkpoint> {
        self.checkpoints.get(&place(partition)).copied()
    }

    pub(crate) fn shown(&self, gate: usize) -> Shown {
        self.rows[gate]
    }

    pub(crate) fn is_parked(&self, gate: usize) -> bool {
        self.parked.contains_key(&gate)
    }

    pub(crate) fn parked(&self) -> impl Iterator<Item = (usize, &[Fact])> {
        self.parked.iter().map(|(gate, facts)| (*gate, facts.as_slice()))
    }

    /// One transaction: the checkpoints are compared and set, then the rows are changed.
    pub(crate) fn step(&mut self, facts: &[Fact], moves: &Moves, mutant: Option<Mutant>) -> Stepped {
        if !self.set(moves, mutant) {
            return Stepped::Lost;
        }
        self.apply(facts, mutant)
    }

    /// Compares and sets.
    pub(crate) fn set(&mut self, moves: &Moves, mutant: Option<Mutant>) -> bool {
        let held = |(place, (from, _)): (&Place, &(Checkpoint, Checkpoint))| {
            self.checkpoints.get(place).is_some_and(|at| (at.history, at.position) == (from.history, from.position))
        };
        if mutant != Some(Mutant::CheckpointNotCompared) && !moves.iter().all(held) {
            return false;
        }
        for (place, (_, to)) in moves {
            let offset = self.checkpoints.get(place).and_then(|at| at.topic_offset);
            let to = Checkpoint { topic_offset: to.topic_offset.or(offset), ..*to };
            let from = self.checkpoints.insert(*place, to);
            let back = from.is_some_and(|from| from.position > to.position);
            assert!(!back, "the checkpoint of partition {} went back to {:?}", place.partition, to.position);
        }
        true
    }

    /// Changes rows; what fails is parked, and what is of its aggregate behind it.
    pub(crate) fn apply(&mut self, facts: &[Fact], mutant: Option<Mutant>) -> Stepped {
        let before = !self.parked.is_empty();
        let gates: HashSet<usize> = facts.iter().map(|fact| fact.gate).filter(|gate| self.is_parked(*gate)).collect();
        let mut queues = Queues::new(gates);
        for fact in facts {
            let behind = queues.is_behind(fact.gate) && mutant != Some(Mutant::ParkedOvertaken);
            if behind || self.poison.contains(&fact.asked) {
                self.parked.entry(fact.gate).or_default().push(*fact);
                queues.parked(fact.gate);
            } else {
                self.rows[fact.gate].apply(fact);
            }
        }
        Stepped::Done { parked: before || queues.parks() }
    }

    /// Applies what is parked again, each gate's in order up to the first that still fails: how many are freed.
    pub(crate) fn retry(&mut self, mutant: Option<Mutant>) -> usize {
        let mut freed = 0;
        for (gate, facts) in std::mem::take(&mut self.parked) {
            let mut left = vec![];
            for fact in facts {
                let held_back = !left.is_empty() && mutant != Some(Mutant::RetryOutOfOrder);
                if held_back || self.poison.contains(&fact.asked) {
                    left.push(fact);
                } else {
                    self.rows[gate].apply(&fact);
                    freed += 1;
                }
            }
            if !left.is_empty() {
                self.parked.insert(gate, left);
            }
        }
        freed
    }

    /// Every gate shows the fold of its first events, the others up to the checkpoint are parked in order, and none is
    /// shown or parked that lies after it.
    pub(crate) fn judge(&self, oracle: &Oracle) {
        let positions: Vec<_> =
            (0..PARTITIONS).map(|at| self.checkpoint(at).map_or(Position::ZERO, |held| held.position)).collect();
        for (gate, (events, shown)) in oracle.gates.iter().enumerate() {
            let up_to = positions[partition_of(gate)];
            let passed = events.iter().take_while(|event| event.position <= up_to).count();
            let row = self.rows[gate];
            let parked = self.parked.get(&gate).map_or(&[][..], Vec::as_slice);
            let version = usize::try_from(row.version).expect("versions are not negative");
            assert_eq!(
                version + parked.len(),
                passed,
                "gate {gate} shows {version} events, {} are parked, where the checkpoint {up_to:?} has passed {passed}",
                parked.len()
            );
            assert_eq!(row, shown[version], "gate {gate} does not show the fold of its first {version} events");
            assert!(
                parked.iter().zip(&events[version..]).all(|(parked, event)| parked.position == event.position),
                "what is parked of gate {gate} is not in order"
            );
        }
    }
}
