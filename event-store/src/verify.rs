//! Walks a store from its genesis and says what does not hold: positions without gap, sequences without hole, every
//! event chained to the one before, time never going back. [`topic`] compares a store with what the relay made of it.

pub mod topic;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use envelope::{Position, Timestamp};

use crate::appender::rows::EventRow;
use crate::chain::{self, Chain};
use crate::{Reader, StoreError};

/// How many events are read in one transaction.
const RANGE_EVENTS: i64 = 50_000;
/// How many violations are kept; the first one matters most.
const VIOLATIONS_MAX: usize = 100;

/// What a walk found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many events were looked at.
    pub events: u64,
    /// How many aggregates they belong to.
    pub aggregates: u64,
    /// Where the walk ended.
    pub head: Position,
    /// The chain there, as hexadecimal; empty in an empty store.
    pub chain: String,
    /// What does not hold, at most the first hundred.
    pub violations: Vec<Violation>,
}

/// One thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("position {position}: {reason}")]
pub struct Violation {
    /// Where.
    pub position: Position,
    /// What.
    pub reason: String,
}

/// Walks the whole store. `progress` hears how many events are done and how many there are.
///
/// # Errors
/// If Postgres is away. What does not hold is no error but stands in the report.
pub async fn store(reader: &Reader, mut progress: impl FnMut(u64, u64)) -> Result<Report, StoreError> {
    let head = reader.head().await?;
    let mut walk = Walk::new(chain::genesis(reader.genesis().await?));
    let mut at = Position::ZERO;
    while at < head.position {
        let up_to = Position((at.get() + RANGE_EVENTS).min(head.position.get()));
        reader
            .rows_copy(at, up_to, |row| {
                walk.step(&row);
                Ok::<_, StoreError>(())
            })
            .await?;
        at = up_to;
        progress(walk.report.events, head.position.get().unsigned_abs());
    }
    if walk.position < head.position {
        walk.violation(head.position, format!("the events after position {} are missing", walk.position));
    }
    Ok(walk.finish())
}

/// Newest sequence per aggregate, by hash: a million aggregates fit into some 50 MB.
#[derive(Default)]
pub(crate) struct Sequences {
    newest: HashMap<u64, i64>,
    hasher: RandomState,
}

impl Sequences {
    /// Says what is wrong if the event is not the next one of its aggregate; goes on from it in any case.
    pub(crate) fn follow(&mut self, row: &EventRow) -> Result<(), String> {
        let EventRow { aggregate_type, aggregate_id, sequence, .. } = row;
        let newest = self.newest.entry(self.hasher.hash_one((&**aggregate_type, &**aggregate_id))).or_default();
        let expected = *newest + 1;
        *newest = *sequence;
        if *sequence == expected {
            return Ok(());
        }
        Err(format!("sequence {sequence} of {aggregate_type} `{aggregate_id}` should be {expected}"))
    }
}

/// The walk as a state machine: fed row by row.
struct Walk {
    position: Position,
    chain: Chain,
    recorded_at: Timestamp,
    sequences: Sequences,
    report: Report,
}

impl Walk {
    fn new(genesis: Chain) -> Self {
        Self {
            position: Position::ZERO,
            chain: genesis,
            recorded_at: Timestamp::default(),
            sequences: Sequences::default(),
            report: Report::default(),
        }
    }

    fn step(&mut self, row: &EventRow) {
        self.report.events += 1;
        if row.position != self.position.next() {
            self.violation(row.position, format!("it follows position {}: events are missing", self.position));
        }
        if chain::after(&self.chain, &row.link()) != row.chain {
            self.violation(row.position, "its chain does not follow: it or the event before was changed".to_owned());
        }
        if let Err(reason) = self.sequences.follow(row) {
            self.violation(row.position, reason);
        }
        if row.recorded_at < self.recorded_at {
            self.violation(row.position, "it was recorded before its predecessor".to_owned());
        }
        // Going on from what stands there, so that one change is one violation and not all that follow.
        (self.position, self.chain, self.recorded_at) = (row.position, row.chain, row.recorded_at);
    }

    fn violation(&mut self, position: Position, reason: String) {
        if self.report.violations.len() < VIOLATIONS_MAX {
            self.report.violations.push(Violation { position, reason });
        }
    }

    fn finish(mut self) -> Report {
        self.report.aggregates = self.sequences.newest.len() as u64;
        self.report.head = self.position;
        if self.position > Position::ZERO {
            self.report.chain = chain::hexadecimal(&self.chain);
        }
        self.report
    }
}
