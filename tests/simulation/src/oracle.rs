//! What every gate must look like after each of its events: folded here from what is committed, by code of its own.

use envelope::Position;
use event_store::simulation::{Fact, GateEvent, StoreModel};

use crate::{GATES, partition_of};

/// A gate as a view shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) version: i64,
    pub(crate) shut: bool,
    pub(crate) passed: u64,
    /// Of everybody who passed, in order.
    pub(crate) trace: u64,
}

impl Shown {
    pub(crate) fn apply(&mut self, fact: &Fact) {
        self.version += 1;
        match fact.what {
            GateEvent::Passed { by } => {
                self.passed += 1;
                self.trace = self.trace.wrapping_mul(31).wrapping_add(by as u64 + 1);
            }
            GateEvent::Switched { open } => self.shut = !open,
        }
    }
}

/// Everything that is committed, whether it is seen or not.
pub(crate) struct Oracle {
    pub(crate) facts: Vec<Fact>,
    /// By gate: its events, and what it shows after the first so many of them.
    pub(crate) gates: Vec<(Vec<Fact>, Vec<Shown>)>,
    /// Which gates are shut after the first so many events of the store.
    pub(crate) shut: Vec<[bool; GATES]>,
}

impl Oracle {
    pub(crate) fn new() -> Self {
        Self { facts: vec![], gates: vec![(vec![], vec![Shown::default()]); GATES], shut: vec![[false; GATES]] }
    }

    /// Takes what was committed since.
    pub(crate) fn follow(&mut self, store: &StoreModel) {
        for fact in &store.facts()[self.facts.len()..] {
            assert_eq!(fact.position.get(), self.facts.len() as i64 + 1, "positions have no gap");
            self.facts.push(*fact);
            let (events, shown) = &mut self.gates[fact.gate];
            events.push(*fact);
            assert_eq!(fact.sequence, events.len() as i64, "the sequence of gate {} has no gap", fact.gate);
            let mut next = shown[shown.len() - 1];
            next.apply(fact);
            shown.push(next);
            let mut shut = self.shut[self.shut.len() - 1];
            shut[fact.gate] = next.shut;
            self.shut.push(shut);
        }
    }

    /// The positions of a partition, in order.
    pub(crate) fn partition(&self, partition: usize) -> Vec<Position> {
        self.facts.iter().filter(|fact| partition_of(fact.gate) == partition).map(|fact| fact.position).collect()
    }

    /// Whether it is seen or not.
    pub(crate) fn after(&self, after: Position, up_to: Position) -> Vec<Fact> {
        let between = |fact: &&Fact| after < fact.position && fact.position <= up_to;
        self.facts.iter().filter(between).copied().collect()
    }

    pub(crate) fn head(&self) -> Position {
        self.facts.last().map_or(Position::ZERO, |fact| fact.position)
    }
}
