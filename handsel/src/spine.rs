//! What roles and commands open to work on an instance: stores, keys and read models, each as far as they need it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use event_schemas::Context;
use event_store::keys::KeyRing;
use event_store::{Store, StoreConfig};
use platform::postgres::{PoolSettings, pool};
use platform::token::TokenKey;
use projectors::Stores;
use sqlx::PgPool;

use crate::heads;
use crate::instance::Instance;
use crate::migrate::store_config;
use crate::roles::Role;

/// Connections to the keys: look-ups are cached and new keys are made in batches.
const KEYS_CONNECTIONS_MAX: u32 = 4;

/// Which parts of an instance somebody works on. What is not needed may be away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The stores of the contexts.
    pub stores: bool,
    /// The keys of personal data, if one of the contexts holds any.
    pub keys: bool,
    /// The read models.
    pub views: bool,
    /// What signs tokens and cursors.
    pub tokens: bool,
}

/// The open parts of an instance.
#[derive(Clone)]
pub struct Spine {
    /// The contexts that were asked for.
    pub contexts: Vec<Context>,
    /// Their stores.
    pub stores: BTreeMap<Context, Store>,
    /// The keys of personal data.
    pub keys: Option<KeyRing>,
    views: Option<PgPool>,
    tokens: Option<TokenKey>,
    watched: Vec<(&'static str, PgPool)>,
}

impl Needs {
    /// Everything, as commands want it that work on the whole instance.
    pub const ALL: Self = Self { stores: true, keys: true, views: true, tokens: true };

    /// What these roles work on.
    #[must_use]
    pub fn of(roles: &[Role]) -> Self {
        let mut needs = Self { stores: false, keys: false, views: false, tokens: false };
        for role in roles {
            let one = match role {
                Role::CommandApi => Self { views: false, ..Self::ALL },
                Role::QueryApi => Self { stores: false, keys: false, ..Self::ALL },
                Role::Relay | Role::Search => Self { stores: true, keys: false, views: false, tokens: false },
                Role::Projector => Self { tokens: false, ..Self::ALL },
                // Mail opens personal data, and what is shared with receivers of webhooks is sealed.
                Role::Reactor => Self::ALL,
            };
            needs = Self {
                stores: needs.stores || one.stores,
                keys: needs.keys || one.keys,
                views: needs.views || one.views,
                tokens: needs.tokens || one.tokens,
            };
        }
        needs
    }

    /// Whether the key is needed that wraps all others.
    #[must_use]
    pub const fn master_key(self) -> bool {
        self.keys || self.tokens
    }
}

impl Spine {
    /// Opens all parts for these contexts, which must have been migrated.
    ///
    /// # Errors
    /// If a database is away, was not migrated, or belongs to another master key.
    pub async fn open(instance: &Instance, contexts: &[Context]) -> anyhow::Result<Self> {
        Self::open_parts(instance, contexts, Needs::ALL).await
    }

    /// Opens the parts that are needed.
    ///
    /// # Errors
    /// As [`Spine::open`].
    pub async fn open_parts(instance: &Instance, contexts: &[Context], needs: Needs) -> anyhow::Result<Self> {
        let mut spine = Self {
            contexts: contexts.to_vec(),
            stores: BTreeMap::new(),
            keys: None,
            views: None,
            tokens: None,
            watched: Vec::new(),
        };
        let stores = if needs.stores { contexts } else { &[] };
        let mut vouched = heads::vouched(&instance.settings, stores);
        for context in stores {
            let vouched = vouched.remove(context);
            let store = Store::open(StoreConfig { vouched, ..store_config(&instance.urls, *context) }).await;
            spine.stores.insert(*context, store.with_context(|| format!("opening the store `{context}`"))?);
        }
        if needs.keys && contexts.iter().copied().any(holds_personal_data) {
            let settings = PoolSettings::new("handsel keys").connections_max(KEYS_CONNECTIONS_MAX).plan_each_call();
            let keys = pool(&instance.urls.keys, &settings).await?;
            spine.watched.push(("postgres-keys", keys.clone()));
            spine.keys = Some(KeyRing::connect(keys, instance.master()?).await.context("opening the keys")?);
        }
        if needs.views {
            let connections = instance.settings.database.database_connections;
            let settings = PoolSettings::new("handsel views").connections_max(connections).plan_each_call();
            let views = pool(&instance.urls.views, &settings).await?;
            projectors::check_version(&views).await.context("opening the read models")?;
            reactors::check_version(&views).await.context("opening what policies have noted")?;
            spine.watched.push(("postgres-views", views.clone()));
            spine.views = Some(views);
        }
        if needs.tokens {
            spine.tokens = Some(TokenKey::new(instance.master()?.derived("consistency tokens and cursors")));
        }
        Ok(spine)
    }

    /// The stores as projections read them.
    #[must_use]
    pub fn readers(&self) -> Stores {
        Stores::new(self.stores.iter().map(|(context, store)| (*context, store.reader())))
    }

    /// The read models.
    ///
    /// # Errors
    /// If they were not opened.
    pub fn views(&self) -> anyhow::Result<&PgPool> {
        self.views.as_ref().context("the read models were not opened")
    }

    /// Signs tokens and cursors: it follows from the master key, so that all processes of an instance agree.
    ///
    /// # Errors
    /// If nobody was to be answered.
    pub fn tokens(&self) -> anyhow::Result<&TokenKey> {
        self.tokens.as_ref().context("the key of the tokens was not opened")
    }

    /// The databases that have no sign of life of their own, as readiness names them.
    pub(crate) fn watched(&self) -> impl Iterator<Item = (&'static str, PgPool)> {
        self.watched.iter().cloned()
    }
}

/// Whether events of a context have sealed fields, so that who works on it needs keys.
const fn holds_personal_data(context: Context) -> bool {
    match context {
        Context::Identity => true,
        Context::Orders | Context::Products | Context::Payments => false,
    }
}
