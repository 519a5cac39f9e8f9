//! When to look for events and when to commit. No I/O and no clock: the time comes in.

use std::time::{Duration, Instant};

/// Changes are committed so long after the commit before.
pub const COMMIT_EVERY: Duration = Duration::from_millis(500);
/// While a reader waits for what it wrote: 20 commits a second at most.
pub const COMMIT_EVERY_WHILE_WAITED_FOR: Duration = Duration::from_millis(50);
/// How often the store is asked where it ends. With the commit it makes less than a second from an event to its answer.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A checkpoint that moved over events of no interest is written down after so long, so that they are not read again.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);

/// When the index last did what.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    looked: Instant,
    committed: Instant,
}

/// What speaks for a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Products changed.
    pub changed: bool,
    /// The checkpoint moved.
    pub moved: bool,
    /// The changes take all the memory they may.
    pub full: bool,
    /// A reader waits.
    pub waited_for: bool,
}

impl Pace {
    /// Begins with a look and, when something changed, with a commit.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let long_ago = now.checked_sub(CHECKPOINT_EVERY).unwrap_or(now);
        Self { looked: long_ago, committed: long_ago }
    }

    /// Notes a look at the store.
    pub fn looked(&mut self, now: Instant) {
        self.looked = now;
    }

    /// Notes a commit.
    pub fn committed(&mut self, now: Instant) {
        self.committed = now;
    }

    /// How long until the next commit; `None` if there is nothing to commit.
    #[must_use]
    pub fn until_commit(&self, now: Instant, pressure: Pressure) -> Option<Duration> {
        let since = now.saturating_duration_since(self.committed);
        let every = match pressure {
            Pressure { full: true, .. } => Duration::ZERO,
            Pressure { changed: true, waited_for: true, .. } => COMMIT_EVERY_WHILE_WAITED_FOR,
            Pressure { changed: true, .. } => COMMIT_EVERY,
            Pressure { moved: true, .. } => CHECKPOINT_EVERY,
            Pressure { .. } => return None,
        };
        Some(every.saturating_sub(since))
    }

    /// How long until the next look.
    #[must_use]
    pub fn until_look(&self, now: Instant, waited_for: bool) -> Duration {
        let every = if waited_for { COMMIT_EVERY_WHILE_WAITED_FOR } else { LOOK_EVERY };
        every.saturating_sub(now.saturating_duration_since(self.looked))
    }
}

#[cfg(test)]
mod tests;
