//! Whether a person is needed, as readiness shows it. What passes by itself is no reason: queries go on meanwhile.
//! Parked events need one too, but the rest of the view goes on, so they are a remark.

use std::time::Duration;

use platform::clock;
use platform::readiness::Check;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::lag::{Condition, Pulse, Shown};
use crate::projection::ReadModel;
use crate::refusals::Refusals;

const EVERY: Duration = Duration::from_millis(500);

/// Keeps the check true until the process ends.
pub(crate) async fn report(
    check: Check,
    followed: Vec<(&'static ReadModel, Pulse)>,
    refusals: Refusals,
    shown: watch::Receiver<Shown>,
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
        match (reasons.is_empty(), parked(&followed, &shown.borrow())) {
            (false, _) => check.fail(reasons.join("; ")),
            (true, Some(parked)) => check.pass_but(parked),
            (true, None) => check.pass(),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// What is left out, if anything is.
fn parked(followed: &[(&'static ReadModel, Pulse)], shown: &Shown) -> Option<String> {
    let of = |(model, _): &(&'static ReadModel, Pulse)| {
        let parked = shown.get(model.name)?.parked;
        (parked > 0).then(|| format!("{parked} events are parked in `{}`", model.name))
    };
    let parked: Vec<_> = followed.iter().filter_map(of).collect();
    (!parked.is_empty()).then(|| format!("{}; see `handsel parked list`", parked.join(", ")))
}
