//! What to do next with an operation, from what is known of it and what the provider said. Pure: no clock, no I/O.
//!
//! | asked | came | recorded | next |
//! |---|---|---|---|
//! | either | succeeded, failed | that | done |
//! | either | pending | pending, if it is news | look up later |
//! | perform | no answer in time | unknown, if it is news | look up later |
//! | perform | not reached | – | perform later; but see [`ATTEMPTS_MAX`] |
//! | look up | never heard of it | – | perform again, under the same key |
//! | look up | never heard of what it had called pending | unknown, if it is news | look up later |
//! | look up | no answer, not reached | unknown, if it is news and a request may have arrived | look up later |
//!
//! Later is twice as late each time, up to a bound. Nothing is ever guessed: an operation ends only by what the
//! provider says of it, or because every request was surely not taken.

#[cfg(test)]
mod tests;

use domain::payments::Outcome;
use envelope::Timestamp;
use event_schemas::payments::OperationKind;
use serde::{Deserialize, Serialize};

use super::{Answer, NoAnswer, wording};

/// After so many attempts that surely did not reach the provider, an authorization is given up: it fails, and whoever
/// waits for it can pay otherwise. What was promised or taken already is never given up.
pub const ATTEMPTS_MAX: u32 = 8;
/// How late the next step may be, at most, in milliseconds.
pub const DELAY_MS_MAX: u64 = 300_000;

/// How late the next step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The first time, in milliseconds.
    pub delay_ms_first: u64,
    /// At most, when the provider does not answer; no more than [`DELAY_MS_MAX`].
    pub retry_delay_ms_max: u64,
    /// At most, when the provider is still at it or waits for the payer; no more than [`DELAY_MS_MAX`].
    pub look_up_delay_ms_max: u64,
}

/// What is known of an operation at the provider: a row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// What it does.
    pub kind: OperationKind,
    /// How often it was asked for.
    pub attempts: u32,
    /// How many of these may have arrived without an answer that is known here.
    pub unanswered: u32,
    /// How many were never answered, and the provider has not heard of them: they may still arrive.
    pub strays: u32,
    /// Whether the provider once said that it has it.
    pub acknowledged: bool,
    /// How often in a row nothing final came.
    pub waits: u32,
    /// What was recorded last.
    pub recorded: Option<Outcome>,
}

/// What follows from what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is known from now on.
    pub effect: Effect,
    /// What is to be recorded at the payment, if anything.
    pub record: Option<Outcome>,
    /// What is to be done next.
    pub next: Next,
}

/// What is to be done next with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask for it, not before that time.
    PerformAt(Timestamp),
    /// Ask what came of it, not before that time.
    LookUpAt(Timestamp),
    /// Nothing: its outcome is final.
    Done,
}

impl Default for Pace {
    /// Half a second at first, five minutes at most, half a minute while the provider is at it.
    fn default() -> Self {
        Self { delay_ms_first: 500, retry_delay_ms_max: DELAY_MS_MAX, look_up_delay_ms_max: 30_000 }
    }
}

impl Effect {
    /// An operation that nobody was asked for.
    #[must_use]
    pub fn new(kind: OperationKind) -> Self {
        Self { kind, attempts: 0, unanswered: 0, strays: 0, acknowledged: false, waits: 0, recorded: None }
    }

    /// What is due for a row as it was found, such as after a crash: what may have arrived is looked up first.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Next {
        let is_final = matches!(self.recorded, Some(Outcome::Succeeded { .. } | Outcome::Failed { .. }));
        if is_final {
            Next::Done
        } else if self.acknowledged || self.unanswered > 0 {
            Next::LookUpAt(now)
        } else {
            Next::PerformAt(now)
        }
    }

    /// What must be stored before the provider is asked to perform it.
    #[must_use]
    pub fn begun(mut self) -> Self {
        self.attempts = self.attempts.saturating_add(1);
        self.unanswered = self.unanswered.saturating_add(1);
        self
    }

    /// What follows when the provider was asked to perform it; this is as [`Effect::begun`] left it.
    #[must_use]
    pub fn performed(mut self, came: Result<Answer, NoAnswer>, now: Timestamp, pace: Pace) -> Step {
        match came {
            Ok(answer) => self.answered(answer, now, pace),
            Err(no @ NoAnswer::TimedOut) => self.unknown(no.to_string(), now, pace),
            Err(NoAnswer::Unavailable) => {
                self.unanswered = self.unanswered.saturating_sub(1);
                if self.unanswered > 0 || self.acknowledged {
                    // An earlier one may have arrived: what came of that is asked first.
                    return self.unheard(now, pace);
                }
                if self.kind == OperationKind::Authorize && self.attempts >= ATTEMPTS_MAX && self.strays == 0 {
                    let reason = format!("The provider could not be reached in {ATTEMPTS_MAX} attempts.");
                    return self.ended(Outcome::Failed { code: "provider_unavailable".to_owned(), reason });
                }
                let at = self.later(now, pace.delay_ms_first, pace.retry_delay_ms_max);
                Step { effect: self, record: None, next: Next::PerformAt(at) }
            }
        }
    }

    /// What follows when the provider was asked what came of it.
    #[must_use]
    pub fn looked_up(mut self, came: Result<Option<Answer>, NoAnswer>, now: Timestamp, pace: Pace) -> Step {
        match came {
            Ok(Some(answer)) => self.answered(answer, now, pace),
            Ok(None) if self.acknowledged => {
                // It had it once. Asking for it again could move the money twice.
                self.unknown("the provider no longer knows the operation".to_owned(), now, pace)
            }
            Ok(None) => {
                // The waits are kept, so that a provider that takes nothing is asked ever more rarely.
                self.strays = self.strays.saturating_add(self.unanswered);
                self.unanswered = 0;
                Step { effect: self, record: None, next: Next::PerformAt(now) }
            }
            Err(_) => self.unheard(now, pace),
        }
    }

    fn answered(mut self, answer: Answer, now: Timestamp, pace: Pace) -> Step {
        match wording::outcome(answer) {
            outcome @ (Outcome::Succeeded { .. } | Outcome::Failed { .. } | Outcome::Unknown { .. }) => {
                self.ended(outcome)
            }
            outcome @ Outcome::Pending { .. } => {
                if !self.acknowledged {
                    (self.acknowledged, self.waits) = (true, 0);
                }
                self.unanswered = 0;
                let record = self.news(outcome);
                let at = self.later(now, pace.delay_ms_first, pace.look_up_delay_ms_max);
                Step { effect: self, record, next: Next::LookUpAt(at) }
            }
        }
    }

    /// Nobody said what came of it. That is news only if it may have arrived and nothing is known of it yet.
    fn unheard(mut self, now: Timestamp, pace: Pace) -> Step {
        if self.unanswered > 0 && self.recorded.is_none() {
            return self.unknown(NoAnswer::TimedOut.to_string(), now, pace);
        }
        let at = self.later(now, pace.delay_ms_first, pace.retry_delay_ms_max);
        Step { effect: self, record: None, next: Next::LookUpAt(at) }
    }

    fn unknown(mut self, reason: String, now: Timestamp, pace: Pace) -> Step {
        let known = matches!(self.recorded, Some(Outcome::Unknown { .. }));
        let record = if known { None } else { self.news(Outcome::Unknown { reason }) };
        let at = self.later(now, pace.delay_ms_first, pace.retry_delay_ms_max);
        Step { effect: self, record, next: Next::LookUpAt(at) }
    }

    fn ended(mut self, outcome: Outcome) -> Step {
        (self.unanswered, self.waits) = (0, 0);
        let record = self.news(outcome);
        Step { effect: self, record, next: Next::Done }
    }

    /// The outcome, unless it was recorded last.
    fn news(&mut self, outcome: Outcome) -> Option<Outcome> {
        let is_news = self.recorded.as_ref() != Some(&outcome);
        self.recorded = Some(outcome.clone());
        is_news.then_some(outcome)
    }

    /// When the next step is due: twice as late each time.
    fn later(&mut self, now: Timestamp, delay_ms_first: u64, delay_ms_max: u64) -> Timestamp {
        let factor = 1_u64.checked_shl(self.waits).filter(|_| self.waits < u64::BITS).unwrap_or(u64::MAX);
        let delay_ms = delay_ms_first.saturating_mul(factor).min(delay_ms_max).min(DELAY_MS_MAX);
        self.waits = self.waits.saturating_add(1);
        let micros = i64::try_from(delay_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
        Timestamp::from_micros(now.micros().saturating_add(micros)).unwrap_or(now)
    }
}
