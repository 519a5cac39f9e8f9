//! One process: does with its batcher what the appender does, a step at a time, so that others come in between. What
//! comes next in the slow path it hears from the same state machine as the appender.

use std::sync::Arc;
use std::time::Instant;

use envelope::{History, Timestamp};

use super::dice::Dice;
use super::store::{Orphan, StoreModel};
use crate::StoreError;
use crate::appender::batch::{BatchRows, Found, Tip};
use crate::appender::batcher::{Batcher, Limits};
use crate::appender::decision::Stream;
use crate::appender::loading::LoadedStreams;
use crate::appender::settlement::{Bounds, Learned, Next, Settlement, Statement};

/// Small, so that there are several pages and the cache is dropped now and then.
const BOUNDS: Bounds = Bounds { tail_page_events: 3, tail_events_max: 12, commands_max: 16 };

enum Write {
    Sent(Tip, Arc<BatchRows>),
    Done(Result<Option<Found>, ()>),
}

enum Load {
    Asked(Vec<Stream>),
    Read(LoadedStreams),
}

/// A process that appends.
pub struct Process {
    pub(crate) batcher: Batcher,
    write: Option<Write>,
    load: Option<Load>,
    settling: Option<(Settlement, Next)>,
    connected: bool,
    /// Batches that are not committed. While there is a transaction it holds the lock.
    transaction: Option<Vec<(Tip, Arc<BatchRows>)>>,
    /// The commit was done, and is told when it is in sight.
    committed: bool,
    pub(crate) settled: usize,
}

/// What a process works on and how lucky it is.
pub struct Around<'a> {
    /// The store.
    pub store: &'a mut StoreModel,
    /// Its luck.
    pub dice: &'a mut Dice,
    /// How often something fails, in percent.
    pub trouble: usize,
    /// The store's clock.
    pub now: Timestamp,
    /// Monotonic time.
    pub instant: Instant,
    /// What failed, for those who count.
    pub landed: &'a mut Vec<&'static str>,
}

impl Around<'_> {
    fn strikes(&mut self, chance: usize, what: &'static str) -> bool {
        let strikes = self.dice.percent(chance);
        if strikes {
            self.landed.push(what);
        }
        strikes
    }
}

impl Process {
    /// A process that has just connected, and presumes an aggregate to be new after so many new ones in a row.
    #[must_use]
    pub fn new(store: &StoreModel, partitions: i32, cache_aggregates_max: usize, new_run_min: u32) -> Self {
        let history = History(uuid::Uuid::nil());
        let limits = Limits { batch_events_max: 8, cache_aggregates_max, partitions, history, new_run_min };
        Self {
            batcher: Batcher::new(limits, store.newest_in_sight()),
            write: None,
            load: None,
            settling: None,
            connected: true,
            transaction: None,
            committed: false,
            settled: 0,
        }
    }

    /// Everything that was asked is answered.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.batcher.is_idle() && self.write.is_none() && self.load.is_none() && self.settling.is_none()
    }

    /// While the slow path runs nothing arrives.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.settling.is_none()
    }

    /// How often it took the slow path.
    #[must_use]
    pub fn settled(&self) -> usize {
        self.settled
    }

    /// It was tried and the answer is about to come.
    #[cfg(test)]
    pub(crate) fn could_not_read(&self, gate: usize) -> bool {
        let Some(Load::Read(streams)) = &self.load else { return false };
        streams.iter().any(|(id, read)| *id.aggregate_id == super::gate::name(gate) && read.is_err())
    }

    /// It is killed. What it has sent, the server ends as it likes.
    pub fn crash(mut self, around: &mut Around<'_>) {
        if let Some(Write::Sent(base, rows)) = self.write.take() {
            around.store.orphans.push(Orphan::Call(base, rows));
        }
        self.disconnect(false, around);
    }

    /// Does one thing.
    pub fn step(&mut self, around: &mut Around<'_>) {
        if let Some((settlement, next)) = self.settling.take() {
            return self.settle(settlement, next, around);
        }
        match around.dice.below(5) {
            0 if self.write.is_none() => {
                let base = self.batcher.head();
                self.write = self.batcher.cut().map(|rows| Write::Sent(base, rows));
            }
            1 if self.load.is_none() => {
                let wanted = self.batcher.wanted();
                self.load = (!wanted.is_empty()).then_some(Load::Asked(wanted));
            }
            2 if self.write.is_none() => self.tick(around),
            0 | 1 | 3 => self.advance_write(around),
            _ => self.advance_load(around),
        }
    }

    fn advance_write(&mut self, around: &mut Around<'_>) {
        match self.write.take() {
            None => {}
            Some(Write::Sent(base, rows)) => {
                let lost = around.strikes(around.trouble, "a connection is lost with a batch");
                let result = if lost && around.dice.percent(50) {
                    around.store.orphans.push(Orphan::Call(base, rows)); // Whether and when is the server's business.
                    Err(())
                } else if around.store.waits(&rows) {
                    self.write = Some(Write::Sent(base, rows));
                    return;
                } else if around.store.defects.confirms_early && !lost {
                    let found = around.store.examine(&base, &rows).map_err(drop);
                    around.store.orphans.push(Orphan::Call(base, rows));
                    found
                } else {
                    let result = around.store.append(&base, &rows).map_err(drop);
                    if lost {
                        around.landed.push("the acknowledgement of a commit is lost");
                    }
                    if lost { Err(()) } else { result }
                };
                self.write = Some(Write::Done(result));
            }
            // Who commits hears of it when everybody can see it.
            done @ Some(Write::Done(Ok(_))) if around.store.is_locked() => self.write = done,
            Some(Write::Done(Ok(Some(mut found)))) => drop(self.batcher.written(&mut found, around.now)),
            Some(Write::Done(Ok(None))) => self.begin_settling(true, around),
            Some(Write::Done(Err(()))) => self.begin_settling(false, around),
        }
    }

    fn advance_load(&mut self, around: &mut Around<'_>) {
        match self.load.take() {
            None => {}
            Some(Load::Asked(wanted)) if !around.strikes(around.trouble, "aggregates cannot be read") => {
                self.load = Some(Load::Read(around.store.load_all(&wanted)));
            }
            Some(Load::Asked(_)) => {
                self.batcher.not_loaded();
                self.batcher.expire(around.instant, around.now);
            }
            Some(Load::Read(streams)) => self.batcher.loaded(streams, around.now),
        }
    }

    fn tick(&mut self, around: &mut Around<'_>) {
        self.batcher.expire(around.instant, around.now);
        if !self.batcher.is_idle() {
            return;
        }
        if around.strikes(around.trouble, "an idle connection is lost") {
            return self.begin_settling(false, around);
        }
        let events = around.store.after(self.batcher.known(), BOUNDS.tail_page_events);
        if !events.is_empty() {
            self.batcher.tail(events);
        }
    }

    fn begin_settling(&mut self, connected: bool, around: &Around<'_>) {
        self.settled += 1;
        self.connected = connected;
        self.settling = Some(Settlement::begin(BOUNDS, &mut self.batcher, connected, around.instant));
    }

    /// One step of the slow path.
    fn settle(&mut self, mut settlement: Settlement, next: Next, around: &mut Around<'_>) {
        let learned = match next {
            Next::Connect { known } => {
                self.disconnect(false, around);
                assert!(around.store.holds(&known), "what was committed is gone");
                self.connected = true;
                Learned::Connected
            }
            Next::Do(Statement::Lock) if around.store.is_locked() => {
                self.settling = Some((settlement, Next::Do(Statement::Lock))); // Somebody else holds it.
                return;
            }
            Next::Do(Statement::Commit) if self.committed && around.store.is_locked() => {
                self.settling = Some((settlement, Next::Do(Statement::Commit)));
                return;
            }
            Next::Do(statement) => self.perform(statement, around).unwrap_or_else(|error| {
                self.disconnect(false, around);
                Learned::Failed(error)
            }),
            Next::Publish(rows) => {
                let all = rows.iter().flat_map(|rows| &rows.events);
                all.for_each(|row| assert!(around.store.holds(&Tip::of(row)), "it is published, and not committed"));
                Learned::Published
            }
            Next::Wait(_) => Learned::Waited,
            Next::Stop(error) => panic!("{error}"),
            Next::Settled => return assert!(self.transaction.is_none(), "a transaction is left open"),
        };
        if matches!(learned, Learned::Committed) && !self.committed && !around.store.is_in_sight() {
            self.committed = true;
            self.settling = Some((settlement, Next::Do(Statement::Commit)));
            return;
        }
        self.committed = false;
        let next = settlement.next(learned, &mut self.batcher, around.now, around.instant);
        self.settling = Some((settlement, next));
    }

    fn perform(&mut self, statement: Statement, around: &mut Around<'_>) -> Result<Learned, StoreError> {
        assert!(self.connected, "a statement on a connection that is gone");
        if self.committed {
            return Ok(Learned::Committed);
        }
        // An attempt has many steps.
        let chance = around.trouble.div_ceil(3);
        let (lost, done) = (around.strikes(chance, "a connection is lost on the slow path"), around.dice.percent(50));
        let away = || Err(StoreError::Unavailable("the connection is lost".to_owned()));
        if lost && !done {
            if matches!(statement, Statement::Commit) {
                self.disconnect(true, around);
            }
            return away();
        }
        let learned = match statement {
            Statement::ReadNewest => Learned::Newest(around.store.newest_in_sight()),
            Statement::ReadTail { after, events_max } => Learned::Tail(around.store.after(after, events_max)),
            Statement::Load(streams) => Learned::Loaded(around.store.load_all(&streams)),
            Statement::Lock => {
                around.store.locked = true;
                self.transaction = Some(vec![]);
                Learned::Locked
            }
            Statement::ReadEnds(ends) => {
                let committed = ends.into_iter().filter(|end| around.store.holds(end));
                Learned::Ends(committed.map(|end| end.chain).collect())
            }
            Statement::ReadAnswers(keys) => Learned::Answers(around.store.answers(&keys)),
            Statement::Append { base, rows } => Learned::Appended(self.append(base, rows, around)?),
            Statement::Commit => {
                self.commit(around);
                Learned::Committed
            }
        };
        if lost { away() } else { Ok(learned) }
    }

    /// Without a transaction it is committed at once.
    fn append(&mut self, base: Tip, rows: Arc<BatchRows>, around: &mut Around<'_>) -> Result<Found, StoreError> {
        let refused = |_| StoreError::from(sqlx::Error::RowNotFound);
        let found = match &mut self.transaction {
            None => around.store.append(&base, &rows).map_err(refused)?,
            Some(batches) => {
                let found = around.store.examine(&base, &rows).map_err(refused)?;
                batches.push((base, rows));
                found
            }
        };
        Ok(found.expect("the lock is held and the tail was read under it"))
    }

    fn commit(&mut self, around: &mut Around<'_>) {
        if let Some(batches) = self.transaction.take() {
            around.store.commit(&batches);
        }
    }

    /// The server ends the transaction when it notices, and `commits` if it was told so before.
    fn disconnect(&mut self, commits: bool, around: &mut Around<'_>) {
        self.connected = false;
        if let Some(batches) = self.transaction.take() {
            around.store.orphans.push(Orphan::Transaction { batches, commits });
        }
    }
}
