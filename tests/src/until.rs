//! Waiting for what becomes true later. There is no other waiting in the tests.

use std::time::Duration;

use tokio::time::Instant;

/// How long anything may take on a machine that is busy with other tests.
pub const ETA_MAX: Duration = Duration::from_secs(30);

const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Asks again and again until the answer is yes, and panics with `what` when it is not in time.
///
/// # Panics
/// After `max`.
pub async fn until(what: &str, max: Duration, mut asked: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    let mut pause = PAUSE_MIN;
    while !asked().await {
        assert!(started.elapsed() < max, "not within {max:?}: {what}");
        #[expect(clippy::disallowed_methods, reason = "the one place that waits for time to pass")]
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
