//! What is looked at: the open parts of an instance, and how patiently.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use event_schemas::Context;
use event_store::Reader;
use event_store::keys::KeyRing;
use platform::postgres::{PoolSettings, pool};
use platform::settings::Secret;
use platform::token::TokenKey;
use projectors::Stores;
use rdkafka::ClientConfig;
use sqlx::PgPool;
use tokio::sync::OnceCell;

use crate::places::{self, Held};

/// Connections to each database, beside those of the readers.
const CONNECTIONS_MAX: u32 = 2;

/// A system to be verified.
pub struct Subject {
    /// The store of every context.
    pub stores: BTreeMap<Context, StoreOf>,
    /// The read models.
    pub views: PgPool,
    /// Where they are.
    pub views_url: Secret,
    /// What opens personal fields.
    pub keys: Option<KeyRing>,
    /// What signs tokens.
    pub tokens: TokenKey,
    /// The topics, if there is a broker.
    pub topics: Option<Topics>,
    /// What was asked for.
    pub options: Options,
    /// Where read models stood when the checks began.
    pub begun: Begun,
}

/// Where read models stood at first, so that one that goes back is noticed.
#[derive(Debug, Default)]
pub struct Begun(OnceCell<Vec<Held>>);

impl Begun {
    /// Looks, the first time.
    pub(crate) async fn held(&self, views: &PgPool) -> sqlx::Result<&[Held]> {
        self.0.get_or_try_init(|| places::held(views)).await.map(Vec::as_slice)
    }
}

/// One context's store.
pub struct StoreOf {
    /// As everybody reads it.
    pub reader: Reader,
    /// Its own schema, for what no reader shows.
    pub database: PgPool,
}

/// Where the topics are.
pub struct Topics {
    /// How to reach the broker.
    pub kafka: ClientConfig,
    /// What the topic of each context is called.
    pub names: BTreeMap<Context, String>,
}

/// What to look at beside the databases, and how long to wait.
#[derive(Clone, Debug)]
pub struct Options {
    /// What a client outside was answered.
    pub acknowledged: Option<Journal>,
    /// Where queries are answered.
    pub apis: Vec<String>,
    /// Nothing is under way: the topics must have everything.
    pub quiesced: bool,
    /// How long relay and read models may take to reach what the stores held when the check began.
    pub settle_max: Duration,
}

/// The journal of a client.
#[derive(Clone, Debug)]
pub struct Journal {
    /// Lines of [`crate::Acknowledged`].
    pub file: PathBuf,
    /// No other client wrote to the stores: what the journal does not account for must not be there.
    pub complete: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { acknowledged: None, apis: Vec::new(), quiesced: false, settle_max: Duration::from_secs(30) }
    }
}

impl StoreOf {
    /// Opens the schema of a store beside its reader.
    ///
    /// # Errors
    /// If Postgres is away.
    pub async fn open(reader: Reader, url: &Secret) -> anyhow::Result<Self> {
        let schema = format!("es_{}", reader.context());
        let settings = PoolSettings::new("handsel verify").connections_max(CONNECTIONS_MAX).search_path(&schema);
        let database = pool(url, &settings).await.with_context(|| format!("opening {schema}"))?;
        Ok(Self { reader, database })
    }
}

impl Subject {
    /// The stores as projections read them.
    #[must_use]
    pub fn readers(&self) -> Stores {
        Stores::new(self.stores.iter().map(|(context, store)| (*context, store.reader.clone())))
    }

    /// The store of a context.
    ///
    /// # Errors
    /// If it was not opened.
    pub fn store(&self, context: Context) -> anyhow::Result<&StoreOf> {
        self.stores.get(&context).with_context(|| format!("the store `{context}` was not opened"))
    }
}
