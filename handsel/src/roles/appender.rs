//! What decides commands, as readiness shows it: the appender of each store.

use std::time::Duration;

use event_store::{AppenderState, Store};
use platform::readiness::Check;
use platform::shutdown::{Parts, Shutdown};

use super::Process;

/// A store that cannot be opened is tried again after so long; commands try it too.
const RETRY: Duration = Duration::from_secs(1);

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
    loop {
        match &*state.borrow_and_update() {
            AppenderState::Serving => check.pass(),
            AppenderState::Away(reason) | AppenderState::HistoryLost(reason) => check.fail(reason),
        }
        tokio::select! {
            // Only a panic ends it before the process ends: whoever supervises this starts it anew.
            changed = state.changed() => if changed.is_err() {
                anyhow::bail!("the appender of `{}` ended by itself; the log says why", store.context());
            },
            () = shutdown.begun() => return Ok(()),
        }
    }
}
