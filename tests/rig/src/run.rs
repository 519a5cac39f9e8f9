//! What the rig does when it is called.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use handsel::output;
use tokio::signal::unix::{SignalKind, signal};

use crate::outcome::{Outcome, PHASES};
use crate::scenario::Scenario;
use crate::world::{Plan, Servers, World};
use crate::{Command, defects, isolation, parts, report, scenarios, servers, verify};

/// How many scenarios are run side by side where their figures do not matter.
const LANES: u32 = 3;

/// Whether everything holds.
pub(crate) async fn run(command: Command, seed: u64, file: Option<PathBuf>) -> anyhow::Result<bool> {
    if let Command::List = command {
        return list();
    }
    let plan = Plan { seed, ..Plan::default() };
    if let Command::Short = command {
        servers::in_memory();
    }
    let (runs, lanes) = match command {
        Command::One { scenario, times, defect, null, long } => {
            let plan = |time| Plan { seed: seed + u64::from(time), null, long, defect: defect.clone(), more_seeds: 0 };
            let scenario = scenarios::find(&scenario)?;
            ((0..times).map(|time| Run { scenario, plan: plan(time) }).collect(), 1)
        }
        Command::Short => (parts::short(&plan)?, LANES),
        Command::Long { part } => (parts::long(&part, &plan)?, if part == "scenarios" { LANES } else { 1 }),
        Command::Defects { name } => (defects::runs(&plan, name.as_deref())?, LANES),
        Command::List | Command::Tables { .. } => (Vec::new(), 1),
    };
    let began = Instant::now();
    // Whoever is told to end drops what it has started, and so ends it.
    let outcomes = tokio::select! {
        outcomes = all(runs, lanes) => outcomes?,
        told = told_to_end() => {
            told?;
            anyhow::bail!("it was told to end");
        }
    };
    output::line(format!("{:.0} s", began.elapsed().as_secs_f64()))?;
    report::conclude(&outcomes, file.as_deref())
}

async fn told_to_end() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// One scenario and how it is run.
pub(crate) struct Run {
    pub(crate) scenario: &'static Scenario,
    pub(crate) plan: Plan,
}

/// Performs all runs, some side by side, each lane on servers of its own: most of the time a scenario waits.
async fn all(runs: Vec<Run>, lanes: u32) -> anyhow::Result<Vec<Outcome>> {
    let waiting = RefCell::new(VecDeque::from(runs));
    let lane = async |number: u32| {
        let mut servers = Servers::start(number).await.context("starting the servers")?;
        let mut outcomes = Vec::new();
        loop {
            let next = waiting.borrow_mut().pop_front();
            let Some(Run { scenario, plan }) = next else { break };
            match perform(&mut servers, scenario, plan.clone()).await {
                Ok(outcome) if plan.defect.is_some() && outcome.violations.is_empty() && plan.more_seeds > 0 => {
                    output::line(format!("{} missed its planted mistake; once more with another seed", scenario.name))?;
                    let plan = Plan { seed: plan.seed + 1, more_seeds: plan.more_seeds - 1, ..plan };
                    waiting.borrow_mut().push_back(Run { scenario, plan });
                }
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => {
                    // What the scenario has done to its servers must not spoil those that follow.
                    output::line(format!("{} could not be run: {error:#}", scenario.name))?;
                    let violations = vec![format!("it could not be run: {error:#}")];
                    let (scenario, Plan { seed, null, defect, .. }) = (scenario.name.to_owned(), plan);
                    outcomes.push(Outcome { scenario, seed, null, defect, violations, ..Outcome::default() });
                    servers.stop().await?;
                    servers = Servers::start(number).await.context("starting the servers again")?;
                }
            }
        }
        servers.stop().await?;
        anyhow::Ok(outcomes)
    };
    Ok(futures::future::try_join_all((1..=lanes).map(lane)).await?.concat())
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
    world.took(PHASES[0], began);
    let acts = Instant::now();
    let ran = (scenario.run)(&mut world).await;
    if let Err(error) = ran {
        world.violation(format!("it got stuck: {error:#}"));
    }
    if let Err(error) = heal(&mut world).await {
        world.violation(format!("it does not heal: {error:#}"));
    }
    world.rest().await;
    world.took(PHASES[1], acts);
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
