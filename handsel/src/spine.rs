//! What roles and commands open to work on an instance: stores, keys and read models.

use std::collections::BTreeMap;

use anyhow::Context as _;
use event_schemas::Context;
use event_store::Store;
use event_store::keys::KeyRing;
use platform::postgres::{PoolSettings, pool};
use platform::token::TokenKey;
use projectors::Stores;
use sqlx::PgPool;

use crate::instance::Instance;
use crate::migrate::store_config;

/// Connections to the keys: look-ups are cached and new keys are made in batches.
const KEYS_CONNECTIONS_MAX: u32 = 4;

/// The open databases of an instance.
#[derive(Clone)]
pub struct Spine {
    /// The store of each context that was asked for.
    pub stores: BTreeMap<Context, Store>,
    /// The keys of personal data.
    pub keys: KeyRing,
    /// The read models.
    pub views: PgPool,
    /// Signs tokens and cursors: it follows from the master key, so that all processes of an instance agree.
    pub tokens: TokenKey,
}

impl Spine {
    /// Opens the stores of these contexts, the keys and the read models, all of which must have been migrated.
    ///
    /// # Errors
    /// If a database is away, was not migrated, or belongs to another master key.
    pub async fn open(instance: &Instance, contexts: &[Context]) -> anyhow::Result<Self> {
        let mut stores = BTreeMap::new();
        for context in contexts {
            let store = Store::open(store_config(&instance.urls, *context)).await;
            stores.insert(*context, store.with_context(|| format!("opening the store `{context}`"))?);
        }
        let connections = instance.settings.database.database_connections;
        let settings = PoolSettings::new("handsel keys").connections_max(KEYS_CONNECTIONS_MAX).plan_each_call();
        let keys_pool = pool(&instance.urls.keys, &settings).await?;
        let keys = KeyRing::connect(keys_pool, instance.master()).await.context("opening the keys")?;
        let settings = PoolSettings::new("handsel views").connections_max(connections).plan_each_call();
        let views = pool(&instance.urls.views, &settings).await?;
        let tokens = TokenKey::new(instance.master().derived("consistency tokens and cursors"));
        Ok(Self { stores, keys, views, tokens })
    }

    /// The stores as projections read them.
    #[must_use]
    pub fn readers(&self) -> Stores {
        Stores::new(self.stores.iter().map(|(context, store)| (*context, store.reader())))
    }
}
