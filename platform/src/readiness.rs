//! Whether this process should be given work: every part keeps its own named check true.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All checks of a process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    started: bool,
    draining: bool,
    checks: BTreeMap<String, Result<(), String>>,
}

/// One part's check; it starts out as failed.
#[derive(Clone, Debug)]
pub struct Check {
    name: String,
    readiness: Readiness,
}

impl Readiness {
    /// No checks yet, and not started.
    pub fn new() -> Self {
        Readiness::default()
    }

    /// A check by this name, failed until its part says otherwise.
    pub fn check(&self, name: impl Into<String>) -> Check {
        let name = name.into();
        self.lock().checks.insert(name.clone(), Err("starting".to_owned()));
        Check { name, readiness: self.clone() }
    }

    /// Notes that start-up is over: `/startupz` says yes from now on.
    pub fn started(&self) {
        self.lock().started = true;
    }

    /// Whether start-up is over.
    pub fn has_started(&self) -> bool {
        self.lock().started
    }

    /// Asks for no more work: the process is about to end.
    pub fn drain(&self) {
        self.lock().draining = true;
    }

    /// Whether work may be given.
    pub fn is_ready(&self) -> bool {
        let state = self.lock();
        state.started && !state.draining && state.checks.values().all(Result::is_ok)
    }

    /// Every check with what is wrong with it, one per line, as Kubernetes prints its own.
    pub fn report(&self) -> String {
        let state = self.lock();
        let mut lines = String::new();
        let own = [("started", state.started), ("not-draining", !state.draining)];
        for (name, holds) in own {
            let _ = writeln!(lines, "[{}]{name} {}", sign(holds), if holds { "ok" } else { "failed" });
        }
        for (name, result) in &state.checks {
            let _ = match result {
                Ok(()) => writeln!(lines, "[+]{name} ok"),
                Err(reason) => writeln!(lines, "[-]{name} failed: {reason}"),
            };
        }
        lines
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, and a report is better than none.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Check {
    /// All is well.
    pub fn pass(&self) {
        self.set(Ok(()));
    }

    /// Something is wrong; the reason is shown by `/readyz?verbose` and logged when it first fails.
    pub fn fail(&self, reason: impl Into<String>) {
        self.set(Err(reason.into()));
    }

    fn set(&self, result: Result<(), String>) {
        let before = self.readiness.lock().checks.insert(self.name.clone(), result.clone());
        let check = &self.name;
        match (before, result) {
            (Some(Err(_)) | None, Ok(())) => tracing::info!(%check, "Check `{check}` passes"),
            (Some(Ok(())), Err(reason)) => tracing::warn!(%check, %reason, "Check `{check}` fails: {reason}"),
            (Some(Ok(())), Ok(())) | (Some(Err(_)) | None, Err(_)) => {}
        }
    }
}

fn sign(holds: bool) -> char {
    if holds { '+' } else { '-' }
}
