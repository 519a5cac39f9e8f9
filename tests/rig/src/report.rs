//! Which scenarios a run has, and what is told of it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use handsel::output;

use crate::defects;
use crate::outcome::Outcome;
use crate::run::perform;
use crate::scenarios;
use crate::world::{Plan, Servers};

/// Scenarios that only the long run has, because they say nothing within seconds.
const LONG_ONLY: [&str; 1] = ["soak"];

/// Each scenario once, and some planted mistakes.
pub(crate) async fn short(servers: &mut Servers, plan: Plan) -> anyhow::Result<Vec<Outcome>> {
    let began = Instant::now();
    let mut outcomes = Vec::new();
    for scenario in scenarios::ALL.iter().filter(|scenario| !LONG_ONLY.contains(&scenario.name)) {
        outcomes.push(perform(servers, scenario, plan.clone()).await?);
    }
    for defect in defects::ALL.iter().filter(|defect| defect.short) {
        outcomes.push(defects::plant(servers, &plan, defect.name, defect.caught_by[0]).await?);
    }
    output::line(format!("{:.0} s", began.elapsed().as_secs_f64()))?;
    Ok(outcomes)
}

/// Everything: each scenario with and without its fault, and every planted mistake.
pub(crate) async fn long(servers: &mut Servers, plan: Plan, only: &[String]) -> anyhow::Result<Vec<Outcome>> {
    let part = |name: &str| only.is_empty() || only.iter().any(|chosen| chosen == name);
    let mut outcomes = Vec::new();
    for scenario in scenarios::ALL {
        let group = match scenario.name {
            "kill-roles" | "kill-at-points" => "kills",
            "broker-away" => "outage",
            "soak" => "soak",
            _ => "scenarios",
        };
        if part(group) {
            outcomes.push(perform(servers, scenario, plan.clone()).await?);
        }
    }
    if part("null") {
        for scenario in scenarios::ALL.iter().filter(|scenario| !scenario.lands.is_empty()) {
            let plan = Plan { null: true, long: false, ..plan.clone() };
            outcomes.push(perform(servers, scenario, plan).await?);
        }
    }
    if part("defects") {
        outcomes.extend(defects::all(servers, &plan, None).await?);
    }
    Ok(outcomes)
}

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
