//! `handsel recover CONTEXT`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use event_schemas::{Context, PARTITIONS};
use event_store::{Store, recover, relay};
use platform::postgres::{PoolSettings, pool};

use crate::heads;
use crate::instance::Instance;
use crate::migrate::store_config;
use crate::output;
use crate::settings::Settings;

/// Begins a new history of a store that lost its newest events, because a replica was promoted or a backup restored.
/// The events that are left stay. What spoke of lost ones goes: answers, snapshots, the topic's records; the read
/// models are built again from the store. That it happened is signed and kept with the signed heads. Stop the programs
/// that append to or relay this context first.
#[derive(Args, Debug)]
pub struct Recover {
    /// The context whose store lost events.
    context: Context,

    #[command(flatten)]
    settings: Settings,
}

impl Recover {
    /// Recovers. It may be repeated after any interruption.
    ///
    /// # Errors
    /// If somebody works on the store, or a server is away.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (instance, servers) = Instance::attach(self.settings).await?;
        let recovered = recover(&instance, self.context).await;
        servers.stop().await?;
        recovered.map(|()| ExitCode::SUCCESS)
    }
}

async fn recover(instance: &Instance, context: Context) -> anyhow::Result<()> {
    let recovered = recover::store(&store_config(&instance.urls, context)).await?;
    output::line(format!("{context}: history {} ended, {} began", recovered.before, recovered.history))?;
    output::line(format!(
        "{context}: {} events stay; {} snapshots and {} answers that spoke of lost events are gone",
        recovered.head, recovered.snapshots_dropped, recovered.answers_dropped
    ))?;
    let traced = heads::leave_trace(instance, context, &recovered).await;
    let traced = traced.with_context(|| format!("signing what was recovered; run `handsel recover {context}` again"));
    if traced.is_ok() {
        output::line(format!("{context}: it is signed that what stood after position {} is given up", recovered.head))?;
    }
    if instance.kafka.brokers.is_some() && !instance.embedded_broker {
        let topic = instance.settings.topics.topic(context);
        let kafka = platform::kafka::client_config(&instance.kafka)?;
        relay::empty_topic(&kafka, &topic, PARTITIONS)
            .await
            .with_context(|| format!("emptying the topic {topic}; run `handsel recover {context}` again"))?;
        output::line(format!("{context}: the topic {topic} is empty and is filled again by the relay"))?;
    } else {
        let why = "no KAFKA_BROKERS, so no topic to empty; the embedded broker forgets its topics when `up` ends";
        output::line(format!("{context}: {why}"))?;
    }
    let views = pool(&instance.urls.views, &PoolSettings::new("handsel recover").connections_max(2)).await?;
    projectors::start_over(&views, &[context]).await?;
    output::line(format!("{context}: its read models begin anew and are filled from the store by the projector"))?;
    let store = Store::open(store_config(&instance.urls, context)).await?;
    reactors::follow_recovery(&views, context, &store.reader()).await?;
    output::line(format!("{context}: policies go on where the store ends now"))?;
    traced
}
