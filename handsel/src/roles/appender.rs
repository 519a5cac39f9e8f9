//! What decides commands, as readiness shows it: the appender of each store.

use std::time::{Duration, Instant};

use event_store::{AppenderState, Store};
use platform::readiness::Check;
use platform::shutdown::{Parts, Shutdown};

use super::Process;

/// A store that cannot be opened is tried again after so long; commands try it too.
const RETRY: Duration = Duration::from_secs(1);
/// For so long after a command was refused because too many waited, readiness says so.
const OVERLOAD_SHOWN: Duration = Duration::from_secs(10);
const OVERLOADED: &str = "more commands come in than can be decided: some are refused as `overloaded` and have to be \
                          repeated, until less comes in";

/// Starts the appender of each store of the process before the first command needs it.
pub(super) fn start(process: &Process<'_>, parts: &mut Parts) {
    for (context, store) in &process.spine.stores {
        let check = process.readiness.check(format!("appender-{context}"));
        parts.spawn("appender", run(store.clone(), check, process.shutdown.clone()));
    }
}

async fn run(store: Store, check: Check, shutdown: Shutdown) -> anyhow::Result<()> {
    let mut state = loop {
        let started = tokio::select! {
            started = store.start_appender() => started,
            () = shutdown.begun() => return Ok(()),
        };
        match started {
            Ok(state) => break state,
            Err(error) => check.fail(error.to_string()),
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = shutdown.begun() => return Ok(()),
        }
    };
    let mut overloaded = store.overloaded();
    loop {
        let shown = overloaded.borrow_and_update().map(|at| at + OVERLOAD_SHOWN).filter(|end| *end > Instant::now());
        tell(&check, &state.borrow_and_update(), shown.is_some());
        tokio::select! {
            // The store has the other end as long as this runs.
            _ = overloaded.changed() => {}
            () = tokio::time::sleep_until(shown.unwrap_or_else(Instant::now).into()), if shown.is_some() => {}
            // Only a panic ends it before the process ends: whoever supervises this starts it anew.
            changed = state.changed() => if changed.is_err() {
                anyhow::bail!("the appender of `{}` ended by itself; the log says why", store.context());
            },
            () = shutdown.begun() => return Ok(()),
        }
    }
}

fn tell(check: &Check, state: &AppenderState, overloaded: bool) {
    match state {
        AppenderState::Serving if overloaded => check.pass_but(OVERLOADED),
        AppenderState::Serving => check.pass(),
        AppenderState::Away(reason) | AppenderState::HistoryLost(reason) => check.fail(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overload_is_a_remark_and_no_reason_to_give_no_work() {
        let readiness = platform::readiness::Readiness::new();
        let check = readiness.check("appender-orders");
        readiness.started();
        tell(&check, &AppenderState::Serving, true);
        assert!(readiness.is_ready());
        assert!(readiness.report().contains("[+]appender-orders ok, but more commands come in than can be decided"));
        tell(&check, &AppenderState::Serving, false);
        assert!(readiness.report().contains("[+]appender-orders ok\n"));
        tell(&check, &AppenderState::Away("Postgres is away".to_owned()), true);
        assert!(!readiness.is_ready());
    }
}
