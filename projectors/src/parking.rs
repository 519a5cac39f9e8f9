//! Which events wait behind a parked one of their aggregate: decided here, without I/O.

use std::collections::HashSet;
use std::hash::Hash;

/// What to do with an event of a batch that is applied one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Apply,
    /// An earlier event of its aggregate is parked, so this one is parked behind it.
    Behind,
}

/// The aggregates of a batch of which something is parked.
#[derive(Debug)]
pub(crate) struct Parking<A> {
    blocked: HashSet<A>,
}

impl<A: Eq + Hash> Parking<A> {
    /// What was parked before.
    pub(crate) fn new(blocked: HashSet<A>) -> Self {
        Self { blocked }
    }

    pub(crate) fn fate(&self, aggregate: &A) -> Fate {
        if self.blocked.contains(aggregate) { Fate::Behind } else { Fate::Apply }
    }

    /// An event of this aggregate could not be applied: it is parked, and what comes after it too.
    pub(crate) fn parked(&mut self, aggregate: A) {
        self.blocked.insert(aggregate);
    }

    /// Whether anything of this batch's aggregates is parked.
    pub(crate) fn parks(&self) -> bool {
        !self.blocked.is_empty()
    }
}

#[cfg(test)]
mod tests;
