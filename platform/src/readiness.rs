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
    checks: BTreeMap<String, Held>,
}

/// What a part last said.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Held {
    /// Nobody has said anything yet.
    Starting,
    Well,
    /// Work may be given, and something is not as it should be.
    Remark(String),
    Fails(String),
}

impl Held {
    fn passes(&self) -> bool {
        !matches!(self, Self::Starting | Self::Fails(_))
    }
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
        self.lock().checks.insert(name.clone(), Held::Starting);
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
        state.started && !state.draining && state.checks.values().all(Held::passes)
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
                Held::Starting => writeln!(lines, "[-]{name} failed: starting"),
                Held::Well => writeln!(lines, "[+]{name} ok"),
                Held::Remark(what) => writeln!(lines, "[+]{name} ok, but {what}"),
                Held::Fails(reason) => writeln!(lines, "[-]{name} failed: {reason}"),
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
        self.set(Held::Well);
    }

    /// Work may be given, but operators should know of something: `/readyz?verbose` shows it, the log when it begins.
    pub fn pass_but(&self, what: impl Into<String>) {
        self.set(Held::Remark(what.into()));
    }

    /// Something is wrong; the reason is shown by `/readyz?verbose` and logged when it first fails.
    pub fn fail(&self, reason: impl Into<String>) {
        self.set(Held::Fails(reason.into()));
    }

    fn set(&self, now: Held) {
        let before = self.readiness.lock().checks.insert(self.name.clone(), now.clone());
        let check = &self.name;
        let well = f64::from(u8::from(now == Held::Well));
        metrics::gauge!("handsel_check_well", "check" => self.name.clone()).set(well);
        match (before, now) {
            (Some(Held::Starting | Held::Fails(_) | Held::Remark(_)) | None, Held::Well) => {
                tracing::info!(%check, "Check `{check}` passes");
            }
            (Some(Held::Starting | Held::Well | Held::Remark(_)) | None, Held::Fails(reason)) => {
                tracing::warn!(%check, %reason, "Check `{check}` fails: {reason}");
            }
            (Some(Held::Starting | Held::Well | Held::Fails(_)) | None, Held::Remark(what)) => {
                tracing::warn!(%check, %what, "Check `{check}` passes, but {what}");
            }
            (Some(Held::Well), Held::Well)
            | (Some(Held::Remark(_)), Held::Remark(_))
            | (Some(Held::Fails(_)), Held::Fails(_))
            | (_, Held::Starting) => {}
        }
    }
}

fn sign(holds: bool) -> char {
    if holds { '+' } else { '-' }
}
