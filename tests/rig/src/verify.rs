//! Holds a system that has come to rest against everything that must hold.

use std::time::{Duration, Instant};

use event_schemas::Context;
use serde_json::Value;

use crate::outcome::PHASES;
use crate::world::World;

/// How long everything may take to come to rest once the faults are over.
const REST_MAX: Duration = Duration::from_secs(45);
/// The same with a planted mistake, which may never let it.
const REST_MAX_PLANTED: Duration = Duration::from_secs(15);
/// How long a relay may take to notice that its topic is not whole, and to fill it again.
const HEAL_MAX: Duration = Duration::from_secs(30);
const VERIFY_EVERY: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How much evidence of one check is repeated.
const EVIDENCE_MAX: usize = 3;

/// Everything that is wrong.
pub(crate) async fn verify(world: &mut World<'_>) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    let began = Instant::now();
    if let Err(error) = at_rest(world).await {
        wrong.push(format!("nothing comes to rest: {error:#}"));
        for role in &world.roles {
            wrong.extend(role.remarks().await);
        }
    }
    world.took(PHASES[2], began);
    let rested = Instant::now();
    let mut found = everything(world).await?;
    // A planted mistake does not heal, and what is wrong because of it is wrong now.
    while !found.is_empty() && world.plan.defect.is_none() && rested.elapsed() < HEAL_MAX {
        tokio::time::sleep(VERIFY_EVERY).await;
        found = everything(world).await?;
    }
    let refused = world.number_of_views("select count(*) from react.dispatches where parked is not null").await?;
    if refused > 0 {
        wrong.push(format!("I20: {refused} commands of policies were refused and wait for a person"));
    }
    world.took(PHASES[3], rested);
    wrong.extend(found);
    Ok(wrong)
}

/// What the verifier says of stores, topics, read models, queries and every answer in the journal.
async fn everything(world: &mut World<'_>) -> anyhow::Result<Vec<String>> {
    let (journal, api) = (world.journal(), world.role("query-api").url());
    let journal = journal.to_string_lossy();
    let mut words = vec!["verify", "--all", "--quiesced", "--settle-max-s", "10", "--format", "json", "--api", &api];
    if world.journal().exists() {
        words.extend(["--acknowledged", &journal]);
        if world.complete {
            words.push("--complete");
        }
    }
    let (_, said) = world.try_call(&words).await?;
    // Behind the report stands how long each part took.
    let mut told = serde_json::Deserializer::from_str(&said).into_iter::<Value>();
    let Some(Ok(report)) = told.next() else {
        return Ok(vec![format!("nothing can be verified: {}", said.lines().next().unwrap_or_default())]);
    };
    let mut wrong = Vec::new();
    for check in report["checks"].as_array().into_iter().flatten() {
        if check["verdict"] != "does_not_hold" {
            continue;
        }
        let invariants: Vec<&str> =
            check["invariants"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let evidence = check["evidence"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let what = check["what"].as_str().unwrap_or_default();
        for seen in evidence.take(EVIDENCE_MAX) {
            wrong.push(format!("{} {what}: {seen}", invariants.join(", ")));
        }
    }
    if wrong.is_empty() && report["holds"] != true {
        wrong.push(format!("the verifier says that it does not hold: {report}"));
    }
    Ok(wrong)
}

/// What policies have still to do. Whatever they do appends events, so this is asked before anybody looks who has
/// those.
async fn undone(world: &World<'_>) -> anyhow::Result<Vec<String>> {
    let mut undone = Vec::new();
    for context in Context::ALL {
        let head = world.number(&format!("select max(position) from es_{context}.events")).await?;
        let behind =
            format!("select count(*) from react.checkpoints where context = '{context}' and position < {head}");
        if world.number_of_views(&behind).await? > 0 {
            undone.push(format!("policies have not read all of {context}"));
        }
    }
    let tables = [
        ("commands to send", "react.dispatches where parked is null"),
        ("timers that are due", "react.timers where due <= now()"),
        ("operations that the provider has not finished", "react.effects where due is not null"),
        ("mails to hand over", "react.mails where due is not null"),
    ];
    for (what, rows) in tables {
        let count = world.number_of_views(&format!("select count(*) from {rows}")).await?;
        if count > 0 {
            undone.push(format!("{count} {what}"));
        }
    }
    Ok(undone)
}

/// Waits until the topics have everything and the views show it.
async fn at_rest(world: &World<'_>) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let mut behind = undone(world).await?;
        for context in Context::ALL {
            let (store, name) = (format!("es_{context}"), context.name());
            let head = world.number(&format!("select max(position) from {store}.events")).await?;
            let published = world.number(&format!("select checkpoint from {store}.relay")).await?;
            let late = format!(
                "select count(*) from read.checkpoints c join read.generations g using (projection, generation)
                  where g.state = 'live' and c.context = '{name}' and c.partition = -1 and c.position < {head}"
            );
            let late = world.number_of_views(&late).await?;
            if published < head || late > 0 {
                behind.push(format!("{name}: {published} of {head} published, {late} views behind"));
            }
        }
        if behind.is_empty() {
            return Ok(());
        }
        let max = if world.plan.defect.is_some() { REST_MAX_PLANTED } else { REST_MAX };
        anyhow::ensure!(begun.elapsed() < max, "{}", behind.join("; "));
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
