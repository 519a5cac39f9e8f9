//! How long an import waits for a server that is away, and how often it says so: one patience for all of its workers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A server that never said anything is given up after so long: the address is likely to be wrong.
const FIRST_ANSWER_MAX: Duration = Duration::from_secs(30);
/// How often the operator hears that the server is away.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// Shared by the workers of an import.
#[derive(Debug)]
pub(crate) struct Patience {
    asked_for: Option<Duration>,
    reached: AtomicBool,
    said: Mutex<Option<Instant>>,
}

impl Patience {
    /// For so long, or else for ever once the server has answered.
    pub(crate) fn new(asked_for: Option<Duration>) -> Self {
        Self { asked_for, reached: AtomicBool::new(false), said: Mutex::default() }
    }

    /// There is a server: it said something.
    pub(crate) fn answered(&self) {
        self.reached.store(true, Ordering::Relaxed);
    }

    /// Whether a request that was tried for so long is to be given up.
    pub(crate) fn is_over(&self, tried_for: Duration) -> bool {
        let unreached = (!self.reached.load(Ordering::Relaxed)).then_some(FIRST_ANSWER_MAX);
        self.asked_for.or(unreached).is_some_and(|max| tried_for >= max)
    }

    /// Whether it is time to say again that the server is away; who is told so says it for all.
    pub(crate) fn may_say(&self, now: Instant) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let due = said.is_none_or(|at| now.duration_since(at) >= SAY_EVERY);
        if due {
            *said = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests;
