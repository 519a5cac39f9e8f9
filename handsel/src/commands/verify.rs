//! `handsel verify`

use std::process::ExitCode;

use clap::Args;
use event_schemas::{Context, PARTITIONS};
use event_store::verify::{self, topic::Topic};
use event_store::{Reader, Store};
use platform::bar::Bar;

use crate::heads;
use crate::instance::Instance;
use crate::migrate::store_config;
use crate::output;
use crate::settings::Settings;

/// Walks every store from its first event: positions without gap, sequences without hole, the chain of hashes, time
/// that never goes back. Compares it with the heads that were signed of it, which shows whether the newest events were
/// cut off or an older copy was restored. Then reads every topic from its beginning: each event that the relay had
/// acknowledged, as the store has it, in an order that a reader can follow. Exit code 1 if anything does not hold.
#[derive(Args, Debug)]
pub struct Verify {
    #[command(flatten)]
    settings: Settings,
}

impl Verify {
    /// Verifies.
    ///
    /// # Errors
    /// If a database or the broker is away. What does not hold is printed, not an error.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (instance, servers) = Instance::attach(self.settings).await?;
        let holds = walk(&instance).await;
        servers.stop().await?;
        Ok(if holds? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

async fn walk(instance: &Instance) -> anyhow::Result<bool> {
    let mut holds = true;
    for context in Context::ALL {
        let store = Store::open(store_config(&instance.urls, context)).await?;
        let reader = store.reader();
        holds &= walk_store(context, &reader).await?;
        holds &= check_heads(instance, context, &reader).await?;
        holds &= walk_topic(instance, context, &reader).await?;
    }
    Ok(holds)
}

async fn walk_store(context: Context, reader: &Reader) -> anyhow::Result<bool> {
    let head = reader.head().await?.position.get();
    let bar = Bar::new(format!("verify {context}"), Some(head.unsigned_abs()));
    let report = verify::store(reader, |done, _| bar.set(done)).await?;
    bar.finish();
    for violation in &report.violations {
        output::line(format!("{context}: {violation}"))?;
    }
    output::line(format!(
        "{context}: {} events of {} aggregates up to position {}, chain {}: {}",
        report.events,
        report.aggregates,
        report.head,
        if report.chain.is_empty() { "empty" } else { &report.chain },
        verdict(report.violations.is_empty()),
    ))?;
    Ok(report.violations.is_empty())
}

async fn check_heads(instance: &Instance, context: Context, reader: &Reader) -> anyhow::Result<bool> {
    let report = heads::verify(instance, context, reader).await?;
    for note in &report.notes {
        output::line(format!("{context}: signed heads: note: {note}"))?;
    }
    for finding in &report.findings {
        output::line(format!("{context}: signed heads: {finding}"))?;
    }
    let Some((position, at)) = report.newest.filter(|_| report.heads > 0) else {
        let nothing = "no head of this store was ever signed: that nothing was cut off is not proven";
        output::line(format!("{context}: {}", if report.holds() { nothing } else { "signed heads: DOES NOT HOLD" }))?;
        return Ok(report.holds());
    };
    output::line(format!(
        "{context}: {} signed heads, the newest of position {position} at {at}: {}",
        report.heads,
        verdict(report.holds()),
    ))?;
    Ok(report.holds())
}

async fn walk_topic(instance: &Instance, context: Context, reader: &Reader) -> anyhow::Result<bool> {
    if instance.kafka.brokers.is_none() {
        output::line(format!("{context}: no broker runs and KAFKA_BROKERS names none: the topic is not looked at"))?;
        return Ok(true);
    }
    let (kafka, name) = (platform::kafka::client_config(&instance.kafka)?, instance.settings.topics.topic(context));
    let Some(topic) = Topic::look(reader, &kafka, &name, PARTITIONS).await? else {
        output::line(format!("{context}: no relay has published anything to {name} yet"))?;
        return Ok(true);
    };
    let bar = Bar::new(format!("verify {name}"), Some(topic.records()));
    let report = topic.compare(reader, |done| bar.set(done)).await?;
    bar.finish();
    for finding in &report.findings {
        output::line(format!("{context}: {name}, {finding}"))?;
    }
    output::line(format!(
        "{context}: {name} has {} records, {} of them repeats, for the events up to position {}, {} behind: {}",
        report.records,
        report.repeated,
        report.checkpoint,
        report.waiting,
        verdict(report.findings.is_empty()),
    ))?;
    Ok(report.findings.is_empty())
}

fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "DOES NOT HOLD" }
}
