//! Decides commands in order of arrival on the state that includes what is queued, and forms batches. No I/O, no clock:
//! the appender drives it, and so does the simulation.
//!
//! What holds at every step: `tip` is `head` plus everything in flight and everything decided; an entry of the cache
//! is the fold of exactly the events up to `tip`; no answer leaves before [`Batcher::written`] said that everything it
//! rests on is committed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use envelope::{History, Position, Timestamp};

use super::batch::{BatchRows, Decided, Found, Outcome, Stored, Tip};
use super::cache::Cache;
use super::decision::{Answer, Broken, Rejection, Stream, StreamId, Submission};
use super::loading::LoadedStreams;
use super::novelty::Novelty;
use super::rows::EventRow;
use crate::codec::State;
use crate::{Done, StoreError};

/// Limits and names that do not change while the store is open.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) batch_events_max: usize,
    pub(crate) cache_aggregates_max: usize,
    pub(crate) partitions: i32,
    pub(crate) history: History,
    /// See [`Novelty`].
    pub(crate) new_run_min: u32,
}

/// An aggregate as it was read from the store.
pub(crate) struct Loaded {
    pub(crate) sequence: i64,
    pub(crate) last_position: Position,
    pub(crate) state: Box<dyn State>,
}

pub(super) struct InFlight {
    pub(super) end: Tip,
    pub(super) rows: Arc<BatchRows>,
    pub(super) decided: Vec<Decided>,
}

/// See the module.
pub(crate) struct Batcher {
    pub(super) limits: Limits,
    /// The newest committed event that is known.
    pub(super) head: Tip,
    /// The newest decided one.
    pub(super) tip: Tip,
    pub(super) cache: Cache,
    pub(super) novelty: Novelty,
    /// Commands whose aggregates are not in memory yet.
    pub(super) arriving: VecDeque<Submission>,
    /// Aggregates that are being read, with what other processes appended meanwhile.
    pub(super) loading: HashMap<StreamId, Vec<EventRow>>,
    pub(super) decided: VecDeque<Decided>,
    pub(super) in_flight: Option<InFlight>,
    /// The batch whose outcome nobody knows.
    pub(super) lost: Option<InFlight>,
    /// Where batches ended that were lost since everything was settled.
    pub(super) suspects: Vec<Tip>,
    /// A batch failed and is not settled: until then nothing is decided but under the lock.
    pub(super) settling: bool,
    /// Commands to be decided again under the lock.
    pub(super) retry: VecDeque<Submission>,
    /// Aggregates that could not be read for the present attempt under the lock.
    pub(super) broken: Broken,
    /// Keys on their way, with the fingerprint of the first and everyone who came after it.
    keys: HashMap<(String, String), ([u8; 32], Vec<Submission>)>,
    /// How many came after the first of their key.
    behind_keys: usize,
}

impl Batcher {
    pub(crate) fn new(limits: Limits, head: Tip) -> Self {
        let cache = Cache::new(limits.cache_aggregates_max);
        let novelty = Novelty::new(limits.new_run_min);
        Self {
            limits,
            head,
            tip: head,
            cache,
            novelty,
            arriving: VecDeque::new(),
            loading: HashMap::new(),
            decided: VecDeque::new(),
            in_flight: None,
            lost: None,
            suspects: Vec::new(),
            settling: false,
            retry: VecDeque::new(),
            broken: Broken::new(),
            keys: HashMap::new(),
            behind_keys: 0,
        }
    }

    pub(crate) fn head(&self) -> Tip {
        self.head
    }

    /// How many commands are on their way in.
    pub(crate) fn waiting(&self) -> usize {
        self.arriving.len() + self.decided.len() + self.retry.len() + self.behind_keys
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting() == 0 && self.in_flight.is_none() && self.lost.is_none()
    }

    /// Takes a command: decides it if its aggregates are in memory, else keeps it until they are.
    pub(crate) fn arrive(&mut self, submission: Submission, now: Timestamp) {
        let Some(submission) = self.first_of_its_key(submission) else { return };
        self.arrive_first(submission, now);
    }

    pub(super) fn arrive_first(&mut self, submission: Submission, now: Timestamp) {
        if self.settling {
            return self.retry.push_back(submission);
        }
        if submission.steps.iter().all(|step| self.cache.contains(&step.stream().id)) {
            let decided = self.decide(submission, now);
            self.decided.push_back(decided);
        } else if self.presumes_new(&submission) {
            self.presume(submission, now);
        } else {
            self.arriving.push_back(submission);
        }
    }

    /// A second command with a key waits for the first.
    fn first_of_its_key(&mut self, submission: Submission) -> Option<Submission> {
        let Some(key) = &submission.key else { return Some(submission) };
        let name = (key.caller.clone(), key.key.clone());
        if let Some((_, waiting)) = self.keys.get_mut(&name) {
            waiting.push(submission);
            self.behind_keys += 1;
            return None;
        }
        self.keys.insert(name, (key.fingerprint, Vec::new()));
        Some(submission)
    }

    /// The aggregates to read now, each once; they count as being read from here on.
    pub(crate) fn wanted(&mut self) -> Vec<Stream> {
        let mut wanted = Vec::new();
        for step in self.arriving.iter().flat_map(|submission| &submission.steps) {
            let stream = step.stream();
            if !self.cache.contains(&stream.id) && !self.loading.contains_key(&stream.id) {
                self.loading.insert(stream.id.clone(), Vec::new());
                wanted.push(stream.clone());
            }
        }
        wanted
    }

    /// Puts what was read into the cache and decides the commands that waited for it.
    pub(crate) fn loaded(&mut self, streams: LoadedStreams, now: Timestamp) {
        let mut broken = Broken::new();
        for (id, loaded) in streams {
            // What was read meanwhile under the lock is newer than this.
            let Some(since) = self.loading.remove(&id) else { continue };
            match loaded {
                Ok(loaded) => {
                    self.put(id, loaded);
                    since.iter().for_each(|event| self.cache.take(event));
                }
                Err(error) => drop(broken.insert(id, error)),
            }
        }
        self.refuse_arriving(&broken, now);
        for submission in std::mem::take(&mut self.arriving) {
            self.arrive_first(submission, now);
        }
    }

    /// Everybody who waits for one of these aggregates hears that it cannot be read. Whoever waits behind one of them
    /// with the same key comes after it, so it is looked again until nobody is left.
    pub(super) fn refuse_arriving(&mut self, broken: &Broken, now: Timestamp) {
        while !broken.is_empty() {
            let (refused, waiting): (VecDeque<_>, _) =
                std::mem::take(&mut self.arriving).into_iter().partition(|it| it.broken_by(broken).is_some());
            self.arriving = waiting;
            if refused.is_empty() {
                return;
            }
            for submission in refused {
                let Some(error) = submission.broken_by(broken) else { continue };
                self.finish(submission, Err(Rejection::Broken(error)), now);
            }
        }
    }

    /// Puts what was read of an aggregate into the cache.
    pub(super) fn put(&mut self, id: StreamId, Loaded { sequence, last_position, state }: Loaded) {
        self.novelty.saw(id.aggregate_type, sequence == 0);
        self.cache.insert(id, sequence, last_position, state);
    }

    /// The read failed as a whole: its aggregates are wanted again.
    pub(crate) fn not_loaded(&mut self) {
        self.loading.clear();
    }

    /// Forms the next batch, unless one is being written or nothing waits.
    pub(crate) fn cut(&mut self) -> Option<Arc<BatchRows>> {
        if self.in_flight.is_some() || self.decided.is_empty() {
            return None;
        }
        let mut rows = BatchRows::default();
        let mut batch = Vec::new();
        while let Some(mut next) = self.decided.pop_front() {
            rows.ledger.extend(next.ledger_row());
            rows.sought.extend(next.sought_key());
            rows.presumed.extend(next.presumed.take());
            rows.events.append(&mut next.events);
            rows.snapshots.append(&mut next.snapshots);
            batch.push(next);
            if rows.events.len() >= self.limits.batch_events_max || batch.len() >= 4 * self.limits.batch_events_max {
                break;
            }
        }
        let end = rows.events.last().map_or(self.head, Tip::of);
        let rows = Arc::new(rows);
        self.in_flight = Some(InFlight { end, rows: rows.clone(), decided: batch });
        self.cache.evict();
        Some(rows)
    }

    /// The batch in flight is committed: its commands are answered.
    pub(crate) fn written(&mut self, found: &mut Found, now: Timestamp) -> Option<Arc<BatchRows>> {
        let InFlight { end, rows, decided } = self.in_flight.take()?;
        self.head = end;
        for decided in decided {
            for id in &decided.written {
                if let Some(entry) = self.cache.get(id) {
                    entry.queued -= 1;
                }
            }
            self.conclude(decided, found, now);
        }
        Some(rows)
    }

    /// Answers one decision; a stored answer goes before a refusal and before an empty one.
    pub(super) fn conclude(&mut self, decided: Decided, found: &mut Found, now: Timestamp) {
        let stored = decided.sought_key().and_then(|key| found.remove(&key));
        let answer = match (stored, decided.outcome) {
            (Some(stored), _) => stored_answer(&decided.submission, stored),
            (None, Outcome::Accepted(done) | Outcome::Nothing(done)) => Ok(done),
            (None, Outcome::Refused(rejection)) => Err(rejection),
        };
        self.finish(decided.submission, answer, now);
    }

    /// Gives an answer to whoever asked, and to those who asked with the same key; after a refusal the next of them is
    /// decided, because refusals are not kept.
    pub(super) fn finish(&mut self, submission: Submission, answer: Answer, now: Timestamp) {
        let key = submission.key.as_ref().map(|key| (key.caller.clone(), key.key.clone()));
        let waiting = key.and_then(|key| self.keys.remove(&key));
        if let Some((fingerprint, waiting)) = waiting {
            self.behind_keys -= waiting.len();
            for next in waiting {
                match &answer {
                    Ok(done) => {
                        let stored = Stored { fingerprint, done: done.clone() };
                        let answer = stored_answer(&next, Ok(stored));
                        next.answer(answer);
                    }
                    Err(_) => self.arrive(next, now),
                }
            }
        }
        submission.answer(answer);
    }

    /// Takes events that another process appended, in order of position.
    pub(crate) fn tail(&mut self, events: Vec<EventRow>) {
        debug_assert!(self.in_flight.is_none() && self.decided.is_empty(), "speculation ends before a tail is taken");
        for event in events {
            self.head = Tip::of(&event);
            self.cache.take(&event);
            let is_it =
                |id: &StreamId| id.aggregate_type == &*event.aggregate_type && id.aggregate_id == event.aggregate_id;
            if let Some((_, since)) = self.loading.iter_mut().find(|(id, _)| is_it(id)) {
                since.push(event);
            }
        }
        self.tip = self.head;
    }

    /// Too much happened elsewhere to read it all: everything is loaded anew from here.
    pub(crate) fn restart_at(&mut self, head: Tip) {
        self.cache.clear();
        self.loading.clear();
        self.head = head;
        self.tip = head;
    }
}

/// What somebody hears who asks with a key that was answered before.
pub(super) fn stored_answer(submission: &Submission, stored: Result<Stored, StoreError>) -> Answer {
    let Stored { fingerprint, done } = stored.map_err(Rejection::Broken)?;
    let same = submission.key.as_ref().is_some_and(|key| key.fingerprint == fingerprint);
    let same = same || platform::faults::planted("key-not-compared");
    if same { Ok(Done { replayed: true, ..done }) } else { Err(Rejection::KeyReused) }
}
