//! One context's store: its schema, its appender, its readers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cqrs_es::Aggregate;
use cqrs_es::persist::EventUpcaster;
use envelope::{History, Position};
use platform::postgres::{Lent, SchemaVersion, answered, lend, schema_version};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{ConnectOptions as _, Executor as _, PgConnection, PgPool};
use tokio::sync::{OnceCell, mpsc, watch};

use crate::appender::decision::Stream;
use crate::appender::rows::EventRow;
use crate::appender::sql;
use crate::appender::{Appender, AppenderState, Committed, Publishing, Submission};
use crate::codec::Held;
use crate::{Commands, Reader, StoreConfig, StoreError, Transact};

static MIGRATOR: Migrator = sqlx::migrate!();

/// A handle on the store of one context; clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    config: StoreConfig,
    context: Arc<str>,
    history: History,
    pool: PgPool,
    publishing: Publishing,
    appender: OnceCell<Handles>,
    overloaded: watch::Sender<Option<Instant>>,
}

/// Who looks when commands were refused needs to hear of it only so often.
const OVERLOADED_EVERY: Duration = Duration::from_secs(1);

/// Where commands are handed in, and how the appender fares.
type Handles = (mpsc::Sender<Submission>, watch::Receiver<AppenderState>);

impl Store {
    /// Makes or brings up to date the schema of a store. Several processes may do so at once.
    ///
    /// # Errors
    /// If Postgres is away or refuses, or a newer version has been here.
    pub async fn migrate(config: &StoreConfig) -> Result<(), StoreError> {
        let mut connection = config.connect_options("migration")?.connect().await?;
        let schema = config.schema();
        let valid = schema.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !valid {
            return Err(StoreError::Name(config.context.clone()));
        }
        // Two processes that start together would both find no schema.
        let one_at_a_time = sqlx::query("select pg_advisory_lock(hashtext($1))").bind(format!("{schema} migrate"));
        one_at_a_time.execute(&mut connection).await?;
        connection.execute(format!("create schema if not exists {schema}").as_str()).await?;
        MIGRATOR.run(&mut connection).await.map_err(|error| match error {
            MigrateError::VersionMissing(version) => {
                StoreError::NewerSchema { context: config.context.clone(), version }
            }
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => StoreError::from(error),
            error => StoreError::Database(Arc::new(sqlx::Error::Migrate(Box::new(error)))),
        })
    }

    /// Opens a store that was migrated. The appender starts with the first command.
    ///
    /// # Errors
    /// If Postgres is away, nothing was migrated, or a newer version has been here.
    pub async fn open(config: StoreConfig) -> Result<Self, StoreError> {
        let pool = config.pool("reader", config.reader_connections_max)?;
        let context: Arc<str> = Arc::from(config.context.as_str());
        let history = check_version(&mut *pool.acquire().await?, &config).await?;
        let publishing = Publishing::new(context.clone(), pool.clone(), config.answer_wait_max());
        let (appender, overloaded) = (OnceCell::new(), watch::Sender::default());
        Ok(Self(Arc::new(Inner { config, context, history, pool, publishing, appender, overloaded })))
    }

    /// The name of the context.
    #[must_use]
    pub fn context(&self) -> &Arc<str> {
        &self.0.context
    }

    /// The history in which its positions mean something.
    #[must_use]
    pub fn history(&self) -> History {
        self.0.history
    }

    /// How many partitions its topic has.
    #[must_use]
    pub fn partitions(&self) -> i32 {
        self.0.config.partitions
    }

    /// Reads events by position.
    #[must_use]
    pub fn reader(&self) -> Reader {
        let answer_wait_max = self.0.config.answer_wait_max();
        Reader::new(self.0.context.clone(), self.0.history, self.0.pool.clone(), answer_wait_max)
    }

    /// The newest position that the appender of this process knows to be committed; 0 until it has started.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<Position> {
        self.0.publishing.watch()
    }

    /// Every batch that this process commits from now on, as long as the receiver keeps up: for the relay, and
    /// for whoever else would read the same events at once.
    #[must_use]
    pub fn committed(&self) -> mpsc::Receiver<Committed> {
        self.0.publishing.subscribe()
    }

    /// The door for commands on an aggregate type. `upcasters` bring stored events of older versions up to date.
    #[must_use]
    pub fn commands<A>(&self, services: A::Services, upcasters: Vec<Box<dyn EventUpcaster>>) -> Commands<A>
    where
        A: Aggregate + Clone + 'static,
        A::Command: Clone + Send + Sync + 'static,
        A::Error: Send + 'static,
    {
        Commands::new(self.clone(), services, upcasters)
    }

    /// Commands over several aggregates, all or nothing.
    #[must_use]
    pub fn transact<E: 'static>(&self) -> Transact<E> {
        Transact::new(self.clone())
    }

    /// Starts the appender of this process, unless a command did, and answers how it fares from then on.
    ///
    /// # Errors
    /// If Postgres is away, or the store lost events since it was opened or what was signed of it.
    pub async fn start_appender(&self) -> Result<watch::Receiver<AppenderState>, StoreError> {
        self.started().await.map(|(_, state)| state.clone())
    }

    /// When a command of this process was last refused because too many waited, to within a second.
    #[must_use]
    pub fn overloaded(&self) -> watch::Receiver<Option<Instant>> {
        self.0.overloaded.subscribe()
    }

    /// A command was refused because too many wait.
    pub(crate) fn note_overload(&self) {
        let now = Instant::now();
        self.0.overloaded.send_if_modified(|last| {
            let is_news = last.is_none_or(|last| now - last >= OVERLOADED_EVERY);
            if is_news {
                *last = Some(now);
            }
            is_news
        });
    }

    pub(crate) async fn appender(&self) -> Result<&mpsc::Sender<Submission>, StoreError> {
        self.started().await.map(|(sender, _)| sender)
    }

    async fn started(&self) -> Result<&Handles, StoreError> {
        let Inner { config, history, publishing, appender, .. } = &*self.0;
        let start = async || {
            if let Some(vouched) = &config.vouched {
                vouched.check(&self.reader()).await?;
            }
            // Shown from the start: a counter that appears with its first count has no rate then.
            metrics::counter!("event_store_batches_behind_total").increment(0);
            metrics::counter!("event_store_sequence_conflicts_total").increment(0);
            Appender::start(config.clone(), *history, publishing.clone()).await
        };
        appender.get_or_try_init(start).await
    }

    pub(crate) fn command_timeout(&self) -> Duration {
        self.0.config.command_timeout
    }

    /// A connection of the readers.
    pub(crate) async fn connection(&self) -> Result<Lent, StoreError> {
        Ok(lend(&self.0.pool).await?)
    }

    pub(crate) fn config(&self) -> &StoreConfig {
        &self.0.config
    }

    pub(crate) async fn events_of(&self, aggregate_type: &str, id: &str) -> Result<Vec<EventRow>, StoreError> {
        let mut connection = lend(&self.0.pool).await?;
        let events = sql::events_of(&mut connection, aggregate_type, id);
        let events = answered(self.0.config.answer_wait_max(), events).await?;
        connection.give_back();
        Ok(events)
    }

    pub(crate) async fn load<A: Aggregate + Clone + 'static>(&self, stream: &Stream) -> Result<(i64, A), StoreError> {
        let mut connection = lend(&self.0.pool).await?;
        let one = crate::appender::load_one(&mut connection, stream);
        let (sequence, state) = answered(self.0.config.answer_wait_max(), one).await?;
        connection.give_back();
        let held = state.as_any().downcast_ref::<Held<A>>().ok_or(StoreError::Closed)?;
        Ok((sequence, held.aggregate.clone()))
    }
}

/// The store exists and is not newer than this program.
pub(crate) async fn check_version(connection: &mut PgConnection, config: &StoreConfig) -> Result<History, StoreError> {
    let missing = |error: sqlx::Error| match &error {
        sqlx::Error::Database(refusal) if refusal.code().as_deref() == Some("42P01") => {
            StoreError::NotMigrated(config.context.clone())
        }
        _ => StoreError::from(error),
    };
    match schema_version(&mut *connection, "_sqlx_migrations", &MIGRATOR).await.map_err(missing)? {
        SchemaVersion::Older => return Err(StoreError::NotMigrated(config.context.clone())),
        SchemaVersion::Same => {}
        SchemaVersion::Newer(version) => {
            return Err(StoreError::NewerSchema { context: config.context.clone(), version });
        }
    }
    let history = sqlx::query_scalar("select history from store").fetch_one(connection).await.map_err(missing)?;
    Ok(History(history))
}
