//! Which scenarios the short and the long run have.

use crate::run::Run;
use crate::world::Plan;
use crate::{defects, scenarios};

/// The parts of the long run, each of which is a run of its own.
pub(crate) const PARTS: [&str; 6] = ["kills", "scenarios", "outage", "soak", "null", "defects"];

/// How often the short run looks again for a planted mistake that it has missed.
const MORE_SEEDS: u32 = 2;

/// Each scenario once, and some planted mistakes.
pub(crate) fn short(plan: &Plan) -> anyhow::Result<Vec<Run>> {
    let mut runs: Vec<Run> = scenarios::ALL.iter().map(|scenario| Run { scenario, plan: plan.clone() }).collect();
    for defect in defects::ALL.iter().filter(|defect| defect.short) {
        let plan = Plan { defect: Some(defect.name.to_owned()), more_seeds: MORE_SEEDS, ..plan.clone() };
        runs.push(Run { scenario: scenarios::find(defect.caught_by[0])?, plan });
    }
    Ok(runs)
}

/// One part of the long run, with the numbers that are published.
pub(crate) fn long(part: &str, plan: &Plan) -> anyhow::Result<Vec<Run>> {
    let plan = Plan { long: true, ..plan.clone() };
    let of = |scenario: &str| match scenario {
        "kill-roles" | "kill-at-points" | "kill-at-snapshot" | "kill-relay-at-record" | "kill-projector-at-row" => {
            "kills"
        }
        "broker-away" => "outage",
        "soak" => "soak",
        _ => "scenarios",
    };
    Ok(match part {
        "defects" => defects::runs(&Plan { long: false, ..plan }, None)?,
        "null" => {
            let plan = Plan { null: true, long: false, ..plan };
            let landing = scenarios::ALL.iter().filter(|scenario| !scenario.lands.is_empty());
            landing.map(|scenario| Run { scenario, plan: plan.clone() }).collect()
        }
        _ => {
            anyhow::ensure!(PARTS.contains(&part), "there is no part `{part}`; there are: {}", PARTS.join(", "));
            let chosen = scenarios::ALL.iter().filter(|scenario| of(scenario.name) == part);
            chosen.map(|scenario| Run { scenario, plan: plan.clone() }).collect()
        }
    })
}
