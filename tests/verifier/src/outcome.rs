//! What a check found: for people a line and its evidence, for programs JSON.

use std::fmt::{self, Display};

use serde::Serialize;
use serde_json::{Map, Value};

/// How many violations of one check are shown; the first one matters most.
pub const EVIDENCE_MAX: usize = 20;

/// Whether something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All of it was looked at, and it holds.
    Holds,
    /// At least one violation was found.
    DoesNotHold,
    /// It was not asked for, or there is nothing to look at; `reason` says which.
    NotLookedAt,
}

/// What one check found about one thing.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The invariants it is about, such as `I2`.
    pub invariants: &'static [&'static str],
    /// What was checked.
    pub what: String,
    /// How much was looked at, and what was seen of it.
    pub seen: Map<String, Value>,
    /// Whether it holds.
    pub verdict: Verdict,
    /// Why it was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many violations there are.
    pub violations: u64,
    /// The first of them, each with its place.
    pub evidence: Vec<String>,
}

/// What all checks found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Nothing that was looked at is violated.
    pub holds: bool,
    /// What each check found.
    pub checks: Vec<Outcome>,
}

impl Outcome {
    /// Nothing is violated yet.
    #[must_use]
    pub fn of(invariants: &'static [&'static str], what: impl Into<String>) -> Self {
        Self {
            invariants,
            what: what.into(),
            seen: Map::new(),
            verdict: Verdict::Holds,
            reason: None,
            violations: 0,
            evidence: Vec::new(),
        }
    }

    /// Says how much was looked at.
    pub fn see(&mut self, name: &str, value: impl Into<Value>) {
        self.seen.insert(name.to_owned(), value.into());
    }

    /// The same while it is made.
    #[must_use]
    pub fn seen(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.see(name, value);
        self
    }

    /// Something does not hold; says where and what.
    pub fn violated(&mut self, evidence: impl Display) {
        self.verdict = Verdict::DoesNotHold;
        self.violations += 1;
        if self.evidence.len() < EVIDENCE_MAX {
            self.evidence.push(evidence.to_string());
        }
    }

    /// It could not be looked at, which is no violation.
    #[must_use]
    pub fn not_looked_at(mut self, reason: impl Display) -> Self {
        self.verdict = Verdict::NotLookedAt;
        self.reason = Some(reason.to_string());
        self
    }
}

impl Report {
    /// Puts together what checks found.
    #[must_use]
    pub fn new(checks: Vec<Outcome>) -> Self {
        Self { holds: checks.iter().all(|outcome| outcome.verdict != Verdict::DoesNotHold), checks }
    }

    /// Those that name an invariant and do not hold.
    pub fn violations_of<'r>(&'r self, invariant: &'r str) -> impl Iterator<Item = &'r Outcome> {
        let named = move |outcome: &&Outcome| outcome.invariants.contains(&invariant);
        self.checks.iter().filter(named).filter(|outcome| outcome.verdict == Verdict::DoesNotHold)
    }
}

/// One line, and one more for each piece of evidence.
impl Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.invariants.join(" "), self.what)?;
        for (name, value) in &self.seen {
            match value {
                Value::String(text) => write!(f, "{name} {text}, ")?,
                value => write!(f, "{value} {name}, ")?,
            }
        }
        match (self.verdict, &self.reason) {
            (Verdict::Holds, _) => f.write_str("holds")?,
            (Verdict::DoesNotHold, _) => write!(f, "DOES NOT HOLD ({} violations)", self.violations)?,
            (Verdict::NotLookedAt, reason) => {
                write!(f, "not looked at: {}", reason.as_deref().unwrap_or("no reason was given"))?;
            }
        }
        for evidence in &self.evidence {
            write!(f, "\n  {evidence}")?;
        }
        let more = self.violations.saturating_sub(self.evidence.len() as u64);
        if more > 0 {
            write!(f, "\n  and {more} more")?;
        }
        Ok(())
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.checks {
            writeln!(f, "{outcome}")?;
        }
        f.write_str(if self.holds { "everything that was looked at holds" } else { "DOES NOT HOLD" })
    }
}
