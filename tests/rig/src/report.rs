//! What is told of a run.

use std::fmt::Write as _;
use std::path::Path;

use handsel::output;

use crate::outcome::Outcome;
use crate::scenarios;

/// Says whether everything is as it must be, and writes down what was seen.
pub(crate) fn conclude(outcomes: &[Outcome], file: Option<&Path>) -> anyhow::Result<bool> {
    let mut bad = Vec::new();
    for outcome in outcomes {
        let lands = scenarios::find(&outcome.scenario)?.lands;
        match &outcome.defect {
            None if !outcome.holds(lands) => bad.push(outcome.line(lands)),
            Some(defect) if outcome.skipped.is_none() && outcome.violations.is_empty() => {
                bad.push(format!("the planted mistake {defect} was not found by {}", outcome.scenario));
            }
            Some(defect) if outcome.skipped.is_none() && !outcome.defect_made => {
                bad.push(format!("the planted mistake {defect} was never made in {}", outcome.scenario));
            }
            _ => {}
        }
    }
    if let Some(file) = file {
        let mut text = String::new();
        for outcome in outcomes {
            writeln!(text, "{}", serde_json::to_string(outcome)?)?;
        }
        std::fs::write(file, text)?;
    }
    let planted = outcomes.iter().filter(|outcome| outcome.defect.is_some()).count();
    output::line(format!(
        "{} runs, {planted} of them with a planted mistake; {} not as they must be",
        outcomes.len(),
        bad.len()
    ))?;
    for line in &bad {
        output::line(format!("  {line}"))?;
    }
    Ok(bad.is_empty())
}
