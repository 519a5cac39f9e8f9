//! The one place that reads the clock, so that what "now" means is decided once.

use std::time::Instant;

use envelope::Timestamp;

/// The wall clock, in UTC and microseconds.
pub fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the place that the rule names")]
    let now = chrono::Utc::now();
    Timestamp::new(now)
}

/// A clock that never goes back, for durations and deadlines.
pub fn monotonic() -> Instant {
    Instant::now()
}
