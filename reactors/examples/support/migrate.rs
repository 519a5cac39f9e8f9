//! A database with every schema in it, for the chores that need one.

use event_schemas::{Context, PARTITIONS};
use event_store::keys::KeyRing;
use event_store::{Store, StoreConfig};
use sqlx::PgPool;

/// As `handsel migrate` does it.
pub(crate) async fn migrate(url: &str) -> anyhow::Result<()> {
    KeyRing::migrate(url).await?;
    let mut readers = Vec::new();
    for context in Context::ALL {
        let mut config = StoreConfig::new(context.name(), url);
        config.partitions = PARTITIONS;
        Store::migrate(&config).await?;
        readers.push((context, Store::open(config).await?.reader()));
    }
    let views = PgPool::connect(url).await?;
    projectors::migrate(&views).await?;
    reactors::migrate(&views, &readers).await?;
    views.close().await;
    Ok(())
}
