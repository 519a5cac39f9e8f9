//! The one list of checks. A new one is a file beside the others and a line here.

mod acknowledged;
mod checkpoints;
mod facts;
mod ledger;
mod market;
mod oracles;
mod payments;
mod rebuilt;
mod settled;
mod snapshots;
mod stores;
mod tokens;
mod topics;

use futures::future::LocalBoxFuture;

use crate::{Outcome, Subject};

/// Something that must hold.
#[derive(Clone, Copy)]
pub struct Check {
    /// The invariants it is about.
    pub invariants: &'static [&'static str],
    /// What it looks at.
    pub what: &'static str,
    /// Looks, and says what it found: an outcome for each store, topic or read model.
    pub run: for<'s> fn(&'s Subject) -> LocalBoxFuture<'s, anyhow::Result<Vec<Outcome>>>,
}

/// Every check, in the order in which they run: facts before what is made of them.
pub const CHECKS: &[Check] = &[
    stores::CHECK,
    facts::CHECK,
    acknowledged::CHECK,
    ledger::CHECK,
    snapshots::CHECK,
    payments::CHECK,
    settled::CHECK,
    market::CHECK,
    topics::CHECK,
    checkpoints::CHECK,
    oracles::CHECK,
    rebuilt::CHECK,
    tokens::CHECK,
];
