//! What the rig does when it is called.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use handsel::output;

use crate::outcome::Outcome;
use crate::scenario::Scenario;
use crate::world::{Plan, Servers, World};
use crate::{Command, defects, isolation, report, scenarios, verify};

/// Whether everything holds.
pub(crate) async fn run(command: Command, seed: u64, file: Option<PathBuf>) -> anyhow::Result<bool> {
    if let Command::List = command {
        return list();
    }
    let mut servers = Servers::start().await.context("starting the servers")?;
    let plan = Plan { seed, ..Plan::default() };
    let outcomes = match command {
        Command::One { scenario, times, defect, null, long } => {
            let scenario = scenarios::find(&scenario)?;
            let mut outcomes = Vec::new();
            for time in 0..u64::from(times) {
                let plan = Plan { seed: seed + time, null, long, defect: defect.clone() };
                outcomes.push(perform(&mut servers, scenario, plan).await?);
            }
            outcomes
        }
        Command::Short => report::short(&mut servers, plan).await?,
        Command::Long { only } => report::long(&mut servers, Plan { long: true, ..plan }, &only).await?,
        Command::Defects { name } => defects::all(&mut servers, &plan, name.as_deref()).await?,
        Command::List | Command::Tables { .. } => Vec::new(),
    };
    servers.stop().await?;
    report::conclude(&outcomes, file.as_deref())
}

/// Runs one scenario from the first process to the last check.
pub(crate) async fn perform(servers: &mut Servers, scenario: &Scenario, plan: Plan) -> anyhow::Result<Outcome> {
    let began = Instant::now();
    if let Some(why) = lacks(scenario) {
        let skipped = Some(why.to_owned());
        let outcome = Outcome {
            scenario: scenario.name.to_owned(),
            seed: plan.seed,
            null: plan.null,
            skipped,
            ..Outcome::default()
        };
        output::line(outcome.line(scenario.lands))?;
        return Ok(outcome);
    }
    let mut world = World::begin(servers, scenario, plan).await.with_context(|| scenario.name.to_owned())?;
    let ran = (scenario.run)(&mut world).await;
    isolation::mend();
    if let Err(error) = ran {
        world.violation(format!("it got stuck: {error:#}"));
    }
    if let Err(error) = heal(&mut world).await {
        world.violation(format!("it does not heal: {error:#}"));
    }
    world.rest().await;
    match verify::verify(&mut world).await {
        Ok(wrong) => world.violations.extend(wrong),
        Err(error) => world.violation(format!("it cannot be verified: {error:#}")),
    }
    let outcome = world.end(scenario, began).await?;
    output::line(outcome.line(scenario.lands))?;
    for violation in outcome.violations.iter().take(5) {
        output::line(format!("    {violation}"))?;
    }
    Ok(outcome)
}

/// Whatever a scenario left lying, runs again.
async fn heal(world: &mut World<'_>) -> anyhow::Result<()> {
    for index in 0..world.roles.len() {
        world.roles[index].freeze(false);
        if !world.roles[index].runs() {
            world.start(index).await?;
        }
    }
    Ok(())
}

fn lacks(scenario: &Scenario) -> Option<&'static str> {
    if scenario.setting.network && !isolation::can_drop() {
        return Some("this machine gives no network of its own in which nft can drop packets");
    }
    if scenario.setting.clock && scenarios::clock::library().is_none() {
        return Some("libfaketime is not installed (Debian: faketime)");
    }
    None
}

fn list() -> anyhow::Result<bool> {
    for scenario in scenarios::ALL {
        output::line(format!("{:<22}{}", scenario.name, scenario.about))?;
    }
    output::line("")?;
    for defect in defects::ALL {
        output::line(format!("{:<28}{} [{}]", defect.name, defect.about, defect.caught_by.join(", ")))?;
    }
    Ok(true)
}
