//! Whether a person is needed, as readiness shows it. What passes by itself is no reason: queries go on meanwhile.

use std::time::Duration;

use platform::clock;
use platform::readiness::Check;
use tokio_util::sync::CancellationToken;

use crate::lag::{Condition, Pulse};
use crate::projection::ReadModel;
use crate::refusals::Refusals;

const EVERY: Duration = Duration::from_millis(500);

/// Keeps the check true until the process ends.
pub(crate) async fn report(
    check: Check,
    followed: Vec<(&'static ReadModel, Pulse)>,
    refusals: Refusals,
    shutdown: CancellationToken,
) {
    loop {
        let stopped = followed.iter().filter_map(|(model, pulse)| match pulse.get() {
            Condition::Stopped(stopped) if stopped.needs_person => {
                Some(format!("`{}`: {}", model.name, stopped.reason))
            }
            Condition::Stopped(_) | Condition::Standby | Condition::Following(_) => None,
        });
        let reasons: Vec<_> = stopped.chain(refusals.standing(clock::monotonic())).collect();
        if reasons.is_empty() {
            check.pass()
        } else {
            check.fail(reasons.join("; "))
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
