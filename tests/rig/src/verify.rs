//! Holds a system that has come to rest against everything that must hold.

use std::time::{Duration, Instant};

use event_schemas::Context;

use crate::load::Journal;
use crate::world::World;

/// How long everything may take to come to rest once the faults are over.
const REST_MAX: Duration = Duration::from_secs(45);
const VERIFY_EVERY: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Everything that is wrong.
pub(crate) async fn verify(world: &mut World<'_>) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    let began = Instant::now();
    if let Err(error) = at_rest(world).await {
        wrong.push(format!("nothing comes to rest: {error:#}"));
    }
    wrong.extend(journal(world).await?);
    // A relay looks only now and then whether its topic is still whole.
    let (mut holds, mut said) = world.try_call(&["verify"]).await?;
    while !holds && began.elapsed() < REST_MAX {
        tokio::time::sleep(VERIFY_EVERY).await;
        (holds, said) = world.try_call(&["verify"]).await?;
    }
    world.figure("seconds to rest", began.elapsed().as_secs_f64());
    if !holds {
        let told = said.lines().filter(|line| !line.ends_with(": holds"));
        wrong.extend(told.take(10).map(|line| format!("verify: {line}")));
    }
    for name in projectors::registry::READ_MODELS.iter().map(|model| model.name) {
        let (went, said) = world.try_call(&["rebuild", name]).await?;
        if !went || !said.contains(" 0 differ") {
            wrong.push(format!("I11: {name} is not what a rebuild makes of it: {}", said.trim()));
        }
    }
    Ok(wrong)
}

/// Waits until the topics have everything and the views show it.
async fn at_rest(world: &World<'_>) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let mut behind = Vec::new();
        for context in Context::ALL {
            let (store, name) = (format!("es_{context}"), context.name());
            let head = world.number(&format!("select max(position) from {store}.events")).await?;
            let published = world.number(&format!("select checkpoint from {store}.relay")).await?;
            let shown =
                "select count(*) from read.checkpoints c join read.generations g using (projection, generation)";
            let late = format!(
                "{shown} where g.state = 'live' and c.context = '{name}' and c.partition = -1
                                   and c.position < {head}"
            );
            let late = world.number(&late).await?;
            if published < head || late > 0 {
                behind.push(format!("{name}: {published} of {head} published, {late} views behind"));
            }
        }
        if behind.is_empty() {
            return Ok(());
        }
        anyhow::ensure!(begun.elapsed() < REST_MAX, "{}", behind.join("; "));
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Every command that was acknowledged is in its store, once.
async fn journal(world: &World<'_>) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    let path = world.journal();
    if !path.exists() {
        return Ok(wrong);
    }
    let lines = Journal::read(&path)?;
    for context in Context::ALL {
        let mut db = world.servers.postgres.connect(&world.database).await?;
        let sql = format!("select aggregate_id, sequence, event_type from es_{context}.events");
        let rows: Vec<(String, i64, String)> = sqlx::query_as(&sql).fetch_all(&mut db).await?;
        let stored: std::collections::HashMap<_, _> =
            rows.into_iter().map(|(id, sequence, kind)| ((id, sequence), kind)).collect();
        for line in lines.iter().filter(|line| line.context == context.name() && line.status != 0) {
            let found = stored.get(&(line.aggregate.clone(), line.version));
            if found.is_none_or(|kind| !line.events.contains(kind)) && wrong.len() < 20 {
                wrong.push(format!(
                    "I1: {} {} version {} was acknowledged with {} and is {found:?} in the store",
                    line.context, line.aggregate, line.version, line.status
                ));
            }
        }
    }
    Ok(wrong)
}
