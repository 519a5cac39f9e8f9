//! The short form: every store from its first event, and the topics against the stores, line by line as it goes.

use event_schemas::{Context, PARTITIONS};
use event_store::Reader;
use event_store::verify::{self, topic as of_topic};
use platform::bar::Bar;

use crate::Topics;

/// Walks a store, with a bar.
///
/// # Errors
/// If Postgres is away. What does not hold stands in the report.
pub async fn walk_store(context: Context, reader: &Reader) -> anyhow::Result<verify::Report> {
    let head = reader.head().await?.position.get();
    let bar = Bar::new(format!("verify {context}"), Some(head.unsigned_abs()));
    let report = verify::store(reader, |done, _| bar.set(done)).await?;
    bar.finish();
    Ok(report)
}

/// Compares a topic with its store, with a bar; `None` if no relay has published anything yet.
///
/// # Errors
/// If Postgres or the broker is away. What does not hold stands in the report.
pub async fn walk_topic(
    topics: &Topics,
    context: Context,
    reader: &Reader,
) -> anyhow::Result<Option<of_topic::Report>> {
    let name = &topics.names[&context];
    let Some(topic) = of_topic::Topic::look(reader, &topics.kafka, name, PARTITIONS).await? else {
        return Ok(None);
    };
    let bar = Bar::new(format!("verify {name}"), Some(topic.records()));
    let report = topic.compare(reader, |done| bar.set(done)).await?;
    bar.finish();
    Ok(Some(report))
}

/// Verifies one store and says so line by line; whether it holds.
///
/// # Errors
/// If a database is away, or `say` fails.
pub async fn store(
    context: Context,
    reader: &Reader,
    say: &mut impl FnMut(String) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let store = walk_store(context, reader).await?;
    for violation in &store.violations {
        say(format!("{context}: {violation}"))?;
    }
    let holds = store.violations.is_empty();
    say(format!(
        "{context}: {} events of {} aggregates up to position {}, chain {}: {}",
        store.events,
        store.aggregates,
        store.head,
        if store.chain.is_empty() { "empty" } else { &store.chain },
        verdict(holds),
    ))?;
    Ok(holds)
}

/// Verifies one topic and says so line by line; whether it holds.
///
/// # Errors
/// If a database or the broker is away, or `say` fails.
pub async fn topic(
    context: Context,
    reader: &Reader,
    topics: Option<&Topics>,
    say: &mut impl FnMut(String) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let Some(topics) = topics else {
        say(format!("{context}: no broker runs and KAFKA_BROKERS names none: the topic is not looked at"))?;
        return Ok(true);
    };
    let name = &topics.names[&context];
    let Some(topic) = walk_topic(topics, context, reader).await? else {
        say(format!("{context}: no relay has published anything to {name} yet"))?;
        return Ok(true);
    };
    for finding in &topic.findings {
        say(format!("{context}: {name}, {finding}"))?;
    }
    say(format!(
        "{context}: {name} has {} records, {} of them repeats, for the events up to position {}, {} behind: {}",
        topic.records,
        topic.repeated,
        topic.checkpoint,
        topic.waiting,
        verdict(topic.findings.is_empty()),
    ))?;
    Ok(topic.findings.is_empty())
}

fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "DOES NOT HOLD" }
}
