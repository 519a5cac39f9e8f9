//! Brings every schema of an instance up to date.

use anyhow::Context as _;
use event_schemas::{Context, PARTITIONS};
use event_store::keys::KeyRing;
use event_store::{Store, StoreConfig};
use platform::postgres::{PoolSettings, pool};
use reactors::payments::Simulator;
use sqlx::PgPool;

use crate::instance::{Instance, Urls};

/// The settings of one context's store.
#[must_use]
pub fn store_config(urls: &Urls, context: Context) -> StoreConfig {
    let mut config = StoreConfig::new(context.name(), urls.stores[&context].expose());
    config.partitions = PARTITIONS;
    config
}

/// Migrates keys, stores, read models and what policies have noted. Several processes may do so at once.
///
/// # Errors
/// If a database is away, refuses, or was migrated by a newer version of the program.
pub async fn databases(urls: &Urls) -> anyhow::Result<()> {
    KeyRing::migrate(urls.keys.expose()).await.context("migrating the keys")?;
    let mut readers = Vec::new();
    for context in Context::ALL {
        let config = store_config(urls, context);
        Store::migrate(&config).await.with_context(|| format!("migrating the store `{context}`"))?;
        let store = Store::open(config).await.with_context(|| format!("opening the store `{context}`"))?;
        readers.push((context, store.reader()));
    }
    let payments = payments(urls).await?;
    Simulator::migrate(&payments).await?;
    payments.close().await;
    let views = pool(&urls.views, &PoolSettings::new("handsel migrate").connections_max(2)).await?;
    projectors::migrate(&views).await?;
    reactors::migrate(&views, &readers).await?;
    views.close().await;
    Ok(())
}

/// Lets a role serve the event stores without owning them.
///
/// # Errors
/// If there is no such role, or a database is away or refuses.
pub async fn grant(urls: &Urls, role: &str) -> anyhow::Result<()> {
    for context in Context::ALL {
        Store::grant_service(&store_config(urls, context), role)
            .await
            .with_context(|| format!("granting `{role}` the use of the store `{context}`"))?;
    }
    let payments = payments(urls).await?;
    Simulator::grant(&payments, role).await?;
    payments.close().await;
    Ok(())
}

/// The simulated payment provider keeps its books beside the payments.
async fn payments(urls: &Urls) -> anyhow::Result<PgPool> {
    let settings = PoolSettings::new("handsel migrate").connections_max(1);
    Ok(pool(&urls.stores[&Context::Payments], &settings).await?)
}

/// Declares the topics, if there is a Kafka. Returns what had to be done.
///
/// # Errors
/// If the brokers are away or a topic has another shape.
pub async fn topics(instance: &Instance) -> anyhow::Result<String> {
    if instance.kafka.brokers.is_none() {
        return Ok(String::new());
    }
    let config = platform::kafka::client_config(&instance.kafka)?;
    let declared = instance.settings.topics.declared(instance.kafka.replication);
    let plan = platform::kafka::topics::plan(&config, &declared).await?;
    platform::kafka::topics::apply(&config, &plan).await?;
    Ok(plan.to_string())
}
