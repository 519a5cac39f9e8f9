//! The order of the slow path: a state machine without I/O. It says what comes next and hears what came of it; `slow`
//! does it on Postgres, the simulation on a store in memory.
//!
//! One attempt: catch up and load without the lock; take it; read what came since; see which lost batches are
//! committed; look up the answers that are kept; decide; append; commit. Only then is anybody answered. After a failure
//! the next attempt begins on a new connection, and the lock waits until the old one's transaction is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use envelope::{Position, Timestamp};

use super::batch::{BatchRows, Found, Tip};
use super::batcher::Batcher;
use super::decision::{Rejection, Stream};
use super::loading::LoadedStreams;
use super::rows::EventRow;
use crate::StoreError;
use crate::chain::Chain;

/// How long Postgres may be away before new commands are refused at once instead of waiting for it.
const PATIENCE: Duration = Duration::from_secs(1);
const BACK_OFF_MIN: Duration = Duration::from_millis(20);
const BACK_OFF_MAX: Duration = Duration::from_millis(500);

/// How much the slow path does at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// How many events of other processes are read at once.
    pub(crate) tail_page_events: u16,
    /// Above this the cache is dropped instead of being brought up to date.
    pub(crate) tail_events_max: i64,
    /// How many commands are decided again in one transaction.
    pub(crate) commands_max: usize,
}

/// What comes next.
pub(crate) enum Next {
    /// A new connection to the store, in which this event must still stand.
    Connect {
        known: Tip,
    },
    /// A statement on that connection. If it fails, the connection is gone.
    Do(Statement),
    /// Committed rows are for everybody to see.
    Publish(Option<Arc<BatchRows>>),
    Wait(Pause),
    /// Nothing is appended any more.
    Stop(StoreError),
    /// Every command that was on its way is answered, and the store is understood again.
    Settled,
}

pub(crate) enum Statement {
    ReadNewest,
    ReadTail {
        after: Position,
        events_max: u16,
    },
    Load(Vec<Stream>),
    /// Begins the transaction in which all that follows up to the commit is done.
    Lock,
    /// Which of these events stand where they would.
    ReadEnds(Vec<Tip>),
    ReadAnswers(Vec<(String, String)>),
    Append {
        base: Tip,
        rows: Arc<BatchRows>,
    },
    Commit,
}

/// Postgres is away, or does not do what nobody's command can be blamed for.
pub(crate) struct Pause {
    pub(crate) back_off: Duration,
    pub(crate) error: StoreError,
    /// It has taken so long that new commands are refused at once.
    pub(crate) refusing: bool,
}

/// What came of it.
pub(crate) enum Learned {
    Connected,
    Newest(Tip),
    Tail(Vec<EventRow>),
    Loaded(LoadedStreams),
    Locked,
    Ends(Vec<Chain>),
    Answers(Found),
    Appended(Found),
    Committed,
    Published,
    Waited,
    Failed(StoreError),
}

/// How far an attempt is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Others may append.
    Unlocked,
    /// Nobody else does.
    Locked,
    /// What Postgres refuses from here on is due to a command.
    Deciding,
}

/// See the module.
pub(crate) struct Settlement {
    bounds: Bounds,
    stage: Stage,
    commands_max: usize,
    /// Answers that the append came upon.
    found: Found,
    since: Instant,
    back_off: Duration,
}

impl Settlement {
    /// Begins to settle a batch that failed or whose outcome nobody knows. `connected`: it was behind, and its
    /// connection is in order.
    pub(crate) fn begin(bounds: Bounds, batcher: &mut Batcher, connected: bool, instant: Instant) -> (Self, Next) {
        batcher.fail();
        let settlement = Self {
            bounds,
            stage: Stage::Unlocked,
            commands_max: bounds.commands_max,
            found: Found::new(),
            since: instant,
            back_off: BACK_OFF_MIN,
        };
        let next = if connected { Next::Do(Statement::ReadNewest) } else { connect(batcher) };
        (settlement, next)
    }

    pub(crate) fn next(&mut self, learned: Learned, batcher: &mut Batcher, now: Timestamp, instant: Instant) -> Next {
        match learned {
            Learned::Connected => Next::Do(Statement::ReadNewest),
            Learned::Newest(newest) => {
                if newest.position.get() - batcher.known().get() > self.bounds.tail_events_max {
                    batcher.restart_at(newest);
                }
                self.read_tail(batcher)
            }
            Learned::Tail(events) => self.after_tail(events, batcher),
            Learned::Loaded(streams) => {
                batcher.preloaded(streams);
                Next::Do(Statement::Lock)
            }
            Learned::Locked => {
                self.stage = Stage::Locked;
                self.read_tail(batcher)
            }
            Learned::Ends(committed) => {
                batcher.settle_lost(&committed, now);
                self.stage = Stage::Deciding;
                Next::Do(Statement::ReadAnswers(batcher.retried_keys(self.commands_max)))
            }
            Learned::Answers(found) => self.decide(&found, batcher, now),
            Learned::Appended(found) => {
                self.found = found;
                Next::Do(Statement::Commit)
            }
            Learned::Committed => Next::Publish(batcher.written(&mut std::mem::take(&mut self.found), now)),
            Learned::Published => self.after_attempt(batcher, now),
            Learned::Waited => connect(batcher),
            Learned::Failed(error) => self.after_failure(error, batcher, now, instant),
        }
    }

    fn read_tail(&self, batcher: &Batcher) -> Next {
        let events_max = self.bounds.tail_page_events;
        Next::Do(Statement::ReadTail { after: batcher.known(), events_max })
    }

    /// What others appended is read before the lock is taken, so that it is held briefly, and aggregates too, because
    /// they may be large. Under the lock comes only what was appended in between.
    fn after_tail(&self, events: Vec<EventRow>, batcher: &mut Batcher) -> Next {
        let whole = events.len() < usize::from(self.bounds.tail_page_events);
        batcher.tail(events);
        if !whole {
            return self.read_tail(batcher);
        }
        if self.stage != Stage::Unlocked {
            return Next::Do(Statement::ReadEnds(batcher.lost_ends()));
        }
        let missing = batcher.missing(self.commands_max);
        Next::Do(if missing.is_empty() { Statement::Lock } else { Statement::Load(missing) })
    }

    fn decide(&self, found: &Found, batcher: &mut Batcher, now: Timestamp) -> Next {
        batcher.decide_again(self.commands_max, found, now);
        let base = batcher.head();
        Next::Do(match batcher.cut() {
            Some(rows) => Statement::Append { base, rows },
            None => Statement::Commit,
        })
    }

    fn after_attempt(&mut self, batcher: &mut Batcher, now: Timestamp) -> Next {
        self.stage = Stage::Unlocked;
        if batcher.speculates() {
            batcher.fail(); // More than one batch was decided; the rest comes again with the next attempt.
        }
        if batcher.retrying() == 0 {
            batcher.settled(now);
            return Next::Settled;
        }
        self.commands_max = (self.commands_max * 2).min(self.bounds.commands_max);
        Next::Do(Statement::ReadNewest)
    }

    /// A refusal is put down to the commands that were decided: they are halved until the culprit stands alone.
    /// Everything else passes by itself, and everybody waits for that.
    fn after_failure(&mut self, error: StoreError, batcher: &mut Batcher, now: Timestamp, instant: Instant) -> Next {
        let stage = std::mem::replace(&mut self.stage, Stage::Unlocked);
        let refused = matches!(error, StoreError::Database(_));
        if batcher.speculates() {
            batcher.fail();
            if refused {
                batcher.settle_lost(&[], now); // Postgres said so, thus it is not committed.
            }
        }
        if matches!(error, StoreError::HistoryLost { .. }) {
            batcher.give_up(now);
            return Next::Stop(error);
        }
        let decided = stage == Stage::Deciding && batcher.retrying() > 0;
        if decided && self.commands_max > 1 {
            // Also if Postgres went away: it may have ended a transaction that took too long.
            self.commands_max = self.commands_max.min(batcher.retrying()).div_ceil(2);
        } else if decided && refused {
            batcher.refuse_first(Rejection::Broken(error), now);
            return connect(batcher);
        }
        if decided && refused { connect(batcher) } else { self.pause(error, batcher, now, instant) }
    }

    /// Commands that are late are answered; after a while new ones do not wait either.
    fn pause(&mut self, error: StoreError, batcher: &mut Batcher, now: Timestamp, instant: Instant) -> Next {
        batcher.expire(instant, now);
        let refusing = instant.duration_since(self.since) > PATIENCE;
        let back_off = self.back_off;
        self.back_off = (back_off * 2).min(BACK_OFF_MAX);
        Next::Wait(Pause { back_off, error, refusing })
    }
}

fn connect(batcher: &Batcher) -> Next {
    Next::Connect { known: batcher.head() }
}
