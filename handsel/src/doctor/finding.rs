//! What a look brought to light.

use event_store::StoreError;
use event_store::keys::KeysError;
use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something does not work, or will be lost.
    Error,
    /// It works, and will not for long, or not as it should.
    Warning,
}

/// One cause.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Names the cause; stays the same in later versions.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The evidence.
    pub seen: String,
    /// What follows from it.
    pub why: &'static str,
    /// What to do.
    pub next: String,
}

/// Why something was not looked at.
#[derive(Clone, Debug)]
pub struct NotLooked(String);

impl NotLooked {
    pub(super) fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl From<sqlx::Error> for NotLooked {
    fn from(error: sqlx::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<StoreError> for NotLooked {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<KeysError> for NotLooked {
    fn from(error: KeysError) -> Self {
        Self(error.to_string())
    }
}

/// A part that was not looked at, or not wholly.
#[derive(Clone, Debug, Serialize)]
pub struct Unseen {
    /// The check.
    pub check: &'static str,
    /// Why.
    pub reason: String,
}

/// Everything that was seen.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Seen {
    /// The checks that were made.
    pub checks: Vec<&'static str>,
    /// The causes, the worst first.
    pub findings: Vec<Finding>,
    /// What could not be looked at.
    pub not_looked_at: Vec<Unseen>,
}

impl Seen {
    pub(super) fn begin(&mut self, check: &'static str) {
        self.checks.push(check);
    }

    pub(super) fn error(&mut self, code: &'static str, seen: String, why: &'static str, next: impl Into<String>) {
        self.findings.push(Finding { code, severity: Severity::Error, seen, why, next: next.into() });
    }

    pub(super) fn warning(&mut self, code: &'static str, seen: String, why: &'static str, next: impl Into<String>) {
        self.findings.push(Finding { code, severity: Severity::Warning, seen, why, next: next.into() });
    }

    pub(super) fn not_looked(&mut self, NotLooked(reason): NotLooked) {
        let check = self.checks.last().copied().unwrap_or("servers");
        self.not_looked_at.push(Unseen { check, reason });
    }

    pub(super) fn add(&mut self, other: Self) {
        self.checks.extend(other.checks);
        self.findings.extend(other.findings);
        self.not_looked_at.extend(other.not_looked_at);
        self.findings.sort_by_key(|finding| finding.severity);
    }

    /// Whether an error was found.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}
