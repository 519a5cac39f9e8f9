//! What the batcher does when a batch failed or its outcome is unknown: forget what was speculative, learn what
//! happened, decide every unanswered command again in order of arrival.

use std::time::Instant;

use envelope::{Position, Timestamp};

use super::batch::{Decided, Found, Outcome, Tip};
use super::batcher::Batcher;
use super::decision::{Rejection, Stream};
use super::loading::LoadedStreams;
use crate::chain::Chain;

impl Batcher {
    /// The batch in flight failed, or nobody knows. Nothing that rests on it stays.
    pub(crate) fn fail(&mut self) {
        debug_assert!(self.lost.is_none(), "one batch is settled before the next is sent");
        self.settling = true;
        self.lost = self.in_flight.take();
        for decided in std::mem::take(&mut self.decided).into_iter().rev() {
            self.retry.push_front(decided.submission);
        }
        self.tip = self.head;
        self.cache.forget_queued();
    }

    /// The ends of the batches whose outcome is unknown. One that was not committed when the lock was held may still
    /// be later, if its statement reached the server only then and what was decided instead was lost too.
    pub(crate) fn lost_ends(&self) -> Vec<Tip> {
        self.suspects.iter().copied().chain(self.lost.as_ref().map(|lost| lost.end)).collect()
    }

    /// The batches with these ends are known to be committed, all others to be not.
    pub(crate) fn settle_lost(&mut self, committed: &[Chain], now: Timestamp) {
        if let Some(lost) = self.lost.take() {
            self.suspects.push(lost.end);
            for Decided { mut submission, outcome, .. } in lost.decided.into_iter().rev() {
                submission.sent = true;
                if let Outcome::Accepted(done) = outcome {
                    submission.sent_as.push((lost.end.chain, done));
                }
                self.retry.push_front(submission);
            }
        }
        for mut submission in std::mem::take(&mut self.retry) {
            match submission.sent_as.iter().position(|(end, _)| committed.contains(end)) {
                Some(at) => {
                    let (_, done) = submission.sent_as.swap_remove(at);
                    self.finish(submission, Ok(done), now);
                }
                None => self.retry.push_back(submission),
            }
        }
    }

    /// The aggregates that the first commands to be decided again need and the cache lacks.
    pub(crate) fn missing(&self, commands_max: usize) -> Vec<Stream> {
        let mut missing: Vec<Stream> = Vec::new();
        for step in self.retry.iter().take(commands_max).flat_map(|submission| &submission.steps) {
            let stream = step.stream();
            if !self.cache.contains(&stream.id) && missing.iter().all(|known| known.id != stream.id) {
                missing.push(stream.clone());
            }
        }
        missing
    }

    /// Puts what was read for [`Batcher::missing`] into the cache.
    pub(crate) fn preloaded(&mut self, streams: LoadedStreams) {
        self.broken.clear();
        for (id, loaded) in streams {
            // An older read of the same aggregate must not overwrite this one when it arrives.
            self.loading.remove(&id);
            match loaded {
                Ok(loaded) => self.put(id, loaded),
                Err(error) => drop(self.broken.insert(id, error)),
            }
        }
    }

    /// The keys of the first commands to be decided again.
    pub(crate) fn retried_keys(&self, commands_max: usize) -> Vec<(String, String)> {
        let keys = self.retry.iter().take(commands_max).filter_map(|submission| submission.key.as_ref());
        keys.map(|key| (key.caller.clone(), key.key.clone())).collect()
    }

    /// Decides the first commands again. The caller holds the lock, has taken the tail and has looked up the keys: an
    /// answer that was kept goes first, also before that the aggregate cannot be read.
    pub(crate) fn decide_again(&mut self, commands_max: usize, found: &Found, now: Timestamp) {
        for _ in 0..commands_max {
            let Some(submission) = self.retry.pop_front() else { break };
            let key = submission.key.as_ref().map(|key| (key.caller.clone(), key.key.clone()));
            if let Some(stored) = key.and_then(|key| found.get(&key)) {
                let answer = super::batcher::stored_answer(&submission, stored.clone());
                self.finish(submission, answer, now);
            } else if submission.steps.iter().all(|step| self.cache.contains(&step.stream().id)) {
                let decided = self.decide(submission, now);
                self.decided.push_back(decided);
            } else if let Some(error) = submission.broken_by(&self.broken) {
                self.finish(submission, Err(Rejection::Broken(error)), now);
            } else {
                self.retry.push_front(submission);
                break;
            }
        }
    }

    /// Whether commands still wait to be decided again.
    pub(crate) fn retrying(&self) -> usize {
        self.retry.len()
    }

    /// Postgres refuses what the first of them does, and nothing else is in its batch.
    pub(crate) fn refuse_first(&mut self, rejection: Rejection, now: Timestamp) {
        if let Some(submission) = self.retry.pop_front() {
            self.finish(submission, Err(rejection), now);
        }
    }

    /// Everything is settled: commands are decided as they arrive again. Those that waited for a read may find their
    /// aggregates in the cache now, because the slow path read them, and no read would ever call for them.
    pub(crate) fn settled(&mut self, now: Timestamp) {
        debug_assert!(self.lost.is_none() && self.retry.is_empty(), "nothing unsettled is forgotten");
        self.suspects.clear();
        self.settling = false;
        let broken = std::mem::take(&mut self.broken);
        self.refuse_arriving(&broken, now);
        for submission in std::mem::take(&mut self.arriving) {
            self.arrive_first(submission, now);
        }
    }

    /// Answers commands that waited too long. Those whose batch is decided or being written are left alone: what comes
    /// of them is known as soon as the connection answers or ends, and only then may they be told that they had no
    /// effect. Their callers do not wait for that: `submit` ends the wait at the deadline with an open answer.
    pub(crate) fn expire(&mut self, now: Instant, at: Timestamp) {
        let mut late = Vec::new();
        for queue in [&mut self.arriving, &mut self.retry] {
            for submission in std::mem::take(queue) {
                if submission.deadline <= now { late.push(submission) } else { queue.push_back(submission) }
            }
        }
        if let Some(lost) = &mut self.lost {
            for mut decided in std::mem::take(&mut lost.decided) {
                if decided.submission.deadline <= now {
                    decided.submission.sent = true;
                    late.push(decided.submission);
                } else {
                    lost.decided.push(decided);
                }
            }
        }
        for submission in late {
            let sent = submission.sent;
            self.finish(submission, Err(Rejection::Unavailable { sent }), at);
        }
    }

    /// Whether anything is decided that is not committed.
    pub(crate) fn speculates(&self) -> bool {
        self.in_flight.is_some() || !self.decided.is_empty()
    }

    /// Nothing will ever be decided here again: everybody who waits hears so.
    pub(crate) fn give_up(&mut self, now: Timestamp) {
        self.settle_lost(&[], now);
        self.settling = true;
        while let Some(submission) = self.arriving.pop_front().or_else(|| self.retry.pop_front()) {
            let sent = submission.sent;
            self.finish(submission, Err(Rejection::Unavailable { sent }), now);
        }
    }

    /// Where the tail to be read begins.
    pub(crate) fn known(&self) -> Position {
        self.head.position
    }
}
