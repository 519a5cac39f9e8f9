//! What came of a scenario.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::load::Summary;

/// Counters that prove that a fault landed, by name.
pub(crate) type Landed = BTreeMap<String, u64>;

/// How long each part of a scenario took, by the names of its figures.
pub(crate) const PHASES: [&str; 4] = ["seconds to begin", "seconds of trouble", "seconds to rest", "seconds to verify"];

/// One run of one scenario.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Outcome {
    pub(crate) scenario: String,
    pub(crate) seed: u64,
    /// Everything but the fault.
    pub(crate) null: bool,
    pub(crate) defect: Option<String>,
    /// The planted mistake said that it was made.
    pub(crate) defect_made: bool,
    pub(crate) landed: Landed,
    pub(crate) load: Summary,
    /// What does not hold.
    pub(crate) violations: Vec<String>,
    /// Numbers that the scenario is about, by name.
    pub(crate) figures: BTreeMap<String, f64>,
    /// The machine lacks what it needs.
    pub(crate) skipped: Option<String>,
    pub(crate) seconds: f64,
}

impl Outcome {
    /// Nothing is wrong, and the fault is known to have landed.
    pub(crate) fn holds(&self, lands: &[&str]) -> bool {
        self.skipped.is_some() || (self.violations.is_empty() && self.not_landed(lands).is_empty())
    }

    /// The counters that should have moved and did not, or must not and did.
    pub(crate) fn not_landed(&self, lands: &[&str]) -> Vec<String> {
        let of = |name: &&&str| self.landed.get(**name).copied().unwrap_or_default();
        lands.iter().filter(|name| (of(name) == 0) != self.null).map(|name| (*name).to_owned()).collect()
    }

    /// In one line.
    pub(crate) fn line(&self, lands: &[&str]) -> String {
        let verdict = match (&self.skipped, self.holds(lands)) {
            (Some(why), _) => format!("SKIPPED: {why}"),
            (None, true) => "holds".to_owned(),
            (None, false) if self.violations.is_empty() => {
                format!("THE FAULT {} LAND: {:?}", if self.null { "DID" } else { "DID NOT" }, self.not_landed(lands))
            }
            (None, false) => "DOES NOT HOLD".to_owned(),
        };
        let phase = |name: &str| self.figures.get(name).copied().unwrap_or_default();
        let phases = PHASES.map(|name| format!("{:.0}", phase(name))).join("+");
        let landed: Vec<String> = self.landed.iter().map(|(name, count)| format!("{name} {count}")).collect();
        format!(
            "{:<22}{}{} {:>5.1} s ({phases}), {} acknowledged, {} retried, {} unknown, silent {} ms, {}: {verdict}",
            self.scenario,
            if self.null { " (null)" } else { "" },
            self.defect.as_ref().map(|defect| format!(" [{defect}]")).unwrap_or_default(),
            self.seconds,
            self.load.acknowledged,
            self.load.retried,
            self.load.unknown,
            self.load.silent_ms,
            if landed.is_empty() { "nothing landed".to_owned() } else { landed.join(", ") },
        )
    }
}
