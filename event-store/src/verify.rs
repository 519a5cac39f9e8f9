//! Walks a store from its genesis and says what does not hold: positions without gap, sequences without hole, every
//! event chained to the one before, time never going back. [`topic`] compares a store with what the relay made of it.

pub mod topic;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::Duration;

use envelope::{Position, Timestamp};
use sqlx::PgConnection;

use crate::appender::rows::EventRow;
use crate::appender::sql;
use crate::chain::{self, Chain};
use crate::{Reader, StoreError, copy};

/// How many events are read in one transaction.
const RANGE_EVENTS: i64 = 50_000;
/// How long a connection of somebody else's may take to answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
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
    while let Some((after, up_to)) = walk.next_range(head.position) {
        let read = reader
            .rows_copy(after, up_to, |row| {
                walk.step(&row);
                Ok::<_, StoreError>(())
            })
            .await;
        walk.read(up_to, read)?;
        progress(walk.report.events, head.position.get().unsigned_abs());
    }
    Ok(walk.finish(head.position))
}

/// The same over a connection that sees the store's schema, in whatever transaction it is.
///
/// # Errors
/// As [`store`].
pub async fn on(connection: &mut PgConnection) -> Result<Report, StoreError> {
    let (genesis, _) = sql::origin(&mut *connection).await?;
    let head = sqlx::query_scalar("select coalesce(max(position), 0) from events").fetch_one(&mut *connection).await?;
    let mut walk = Walk::new(chain::genesis(genesis));
    while let Some((after, up_to)) = walk.next_range(Position(head)) {
        let step = |row| {
            walk.step(&row);
            Ok::<_, StoreError>(())
        };
        let read = copy::events(&mut *connection, ANSWER_WAIT_MAX, after, up_to, step).await;
        walk.read(up_to, read)?;
    }
    Ok(walk.finish(Position(head)))
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

/// The walk as a state machine: fed row by row, from wherever the rows come.
struct Walk {
    /// Everything up to here was asked for.
    asked: Position,
    position: Position,
    /// Not known after a row that cannot be read.
    chain: Option<Chain>,
    recorded_at: Timestamp,
    sequences: Sequences,
    report: Report,
}

impl Walk {
    fn new(genesis: Chain) -> Self {
        Self {
            asked: Position::ZERO,
            position: Position::ZERO,
            chain: Some(genesis),
            recorded_at: Timestamp::default(),
            sequences: Sequences::default(),
            report: Report::default(),
        }
    }

    /// After which position, and up to which, to read next; `None` at the end.
    fn next_range(&self, head: Position) -> Option<(Position, Position)> {
        let up_to = Position((self.asked.get() + RANGE_EVENTS).min(head.get()));
        (self.asked < head).then_some((self.asked, up_to))
    }

    /// A range was read, or a row of it cannot be: then the walk goes on after that one.
    fn read(&mut self, up_to: Position, read: Result<(), StoreError>) -> Result<(), StoreError> {
        match read {
            Ok(()) => self.asked = up_to,
            // Each costs a range again, so a store with nothing but such rows is given up.
            Err(StoreError::Damaged { position, reason })
                if position > self.asked && self.report.violations.len() < VIOLATIONS_MAX =>
            {
                self.gap(position);
                self.violation(position, reason);
                (self.asked, self.position, self.chain) = (position, position, None);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn step(&mut self, row: &EventRow) {
        self.report.events += 1;
        self.gap(row.position);
        if self.chain.is_some_and(|chain| chain::after(&chain, &row.link()) != row.chain) {
            self.violation(row.position, "its chain does not follow: it or the event before was changed".to_owned());
        }
        if let Err(reason) = self.sequences.follow(row) {
            self.violation(row.position, reason);
        }
        if row.recorded_at < self.recorded_at {
            self.violation(row.position, "it was recorded before its predecessor".to_owned());
        }
        // Going on from what stands there, so that one change is one violation and not all that follow.
        (self.position, self.chain, self.recorded_at) = (row.position, Some(row.chain), row.recorded_at);
    }

    /// Says which positions are missing before this one, at the first of them.
    fn gap(&mut self, before: Position) {
        let (first, last) = (self.position.next(), Position(before.get() - 1));
        if first <= last {
            self.violation(first, format!("the events of positions {first} to {last} are missing"));
        }
    }

    fn violation(&mut self, position: Position, reason: String) {
        if self.report.violations.len() < VIOLATIONS_MAX {
            self.report.violations.push(Violation { position, reason });
        }
    }

    fn finish(mut self, head: Position) -> Report {
        self.gap(head.next());
        self.report.aggregates = self.sequences.newest.len() as u64;
        self.report.head = self.position;
        if self.position > Position::ZERO {
            self.report.chain = self.chain.as_ref().map(chain::hexadecimal).unwrap_or_default();
        }
        self.report
    }
}
