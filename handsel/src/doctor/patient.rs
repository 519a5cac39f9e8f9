//! The instance that is looked at: where its parts are, and connections that can change nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use event_schemas::Context;
use event_store::keys::MasterKey;
use event_store::{Store, StoreConfig};
use platform::data_dir::DataDir;
use platform::postgres::{ConnectError, PoolSettings, connect_options, pool, server_name};
use platform::settings::{KafkaSettings, Secret};
use sqlx::PgPool;

use super::{Limits, NotLooked, START_MAX, Seen, postgres};
use crate::failure;
use crate::instance::{Running, Servers, Urls};
use crate::migrate::store_config;
use crate::settings::ServerSettings;

const CONNECTIONS_MAX: u32 = 3;
const ACQUIRE_MAX: Duration = Duration::from_secs(5);
/// Less than a check may take.
const STATEMENT_MAX: Duration = Duration::from_secs(10);

/// One database, whatever it is used for.
pub(super) struct Database {
    /// Host, port and name.
    pub(super) name: String,
    pub(super) url: Secret,
    pub(super) pool: Result<PgPool, ConnectError>,
}

/// What is looked at.
pub struct Patient {
    pub(super) settings: ServerSettings,
    pub(super) limits: Limits,
    pub(super) folder: PathBuf,
    /// Who holds the folder.
    pub(super) holder: Option<String>,
    /// The `up` that holds the folder.
    pub(super) running: Option<Running>,
    /// Every database once.
    pub(super) databases: Vec<Database>,
    /// How topics are called and where they are.
    pub(super) kafka: KafkaSettings,
    urls: Option<Urls>,
    stores: BTreeMap<Context, Result<Store, String>>,
}

impl Patient {
    pub(super) fn of(mut settings: ServerSettings, limits: Limits) -> Self {
        let folder = settings.common.data.directory();
        // Why it cannot be told is a finding of the folder.
        let holder = DataDir::holder(&folder).unwrap_or_default();
        let running = holder.as_ref().and_then(|_| Running::read(&folder).ok()).filter(Running::is_alive);
        let mut kafka = settings.common.kafka.clone();
        if let Some(running) = &running {
            settings.common.topics.prefer(&running.topic_prefix);
            kafka.brokers = kafka.brokers.or_else(|| running.kafka_brokers.clone());
        }
        let (databases, stores) = (Vec::new(), BTreeMap::new());
        Self { settings, limits, folder, holder, running, databases, kafka, urls: None, stores }
    }

    /// Whether the program would bring its own Postgres along.
    pub(super) fn is_embedded(&self) -> bool {
        matches!(self.settings.common.database.url(), Ok(None))
    }

    /// Connects to the databases; starts the embedded Postgres where nothing runs and nothing speaks against it.
    pub(super) async fn reach(&mut self, seen: &mut Seen) -> Servers {
        let mut servers = Servers::default();
        match self.find(seen, &mut servers).await {
            Ok(urls) => self.connect(urls).await,
            Err(reason) => seen.not_looked(reason),
        }
        servers
    }

    async fn find(&self, seen: &mut Seen, servers: &mut Servers) -> Result<Urls, NotLooked> {
        let settings = &self.settings.common;
        let broken = |error: anyhow::Error| NotLooked::because(failure::one_line(&error));
        if let Some(url) = settings.database.url().map_err(|error| broken(error.into()))? {
            return Urls::of(settings, &url).map_err(broken);
        }
        if let Some(running) = &self.running {
            return Urls::beside(settings, running).map_err(broken);
        }
        if let Some(holder) = &self.holder {
            return Err(NotLooked::because(format!("process {holder} holds the data folder and does not run yet")));
        }
        if !self.folder.join("postgres/data/PG_VERSION").exists() {
            return Err(NotLooked::because("there is no database in the data folder yet"));
        }
        if seen.has_errors() {
            return Err(NotLooked::because("the embedded Postgres is not started before the errors above are mended"));
        }
        let data = DataDir::open(&self.folder).map_err(|error| NotLooked::because(error.to_string()))?;
        let started = tokio::time::timeout(START_MAX, servers.start_postgres(settings, &data)).await;
        let url = match started {
            Ok(Ok(url)) => url,
            Ok(Err(error)) => return Err(postgres::does_not_start(seen, &failure::one_line(&error))),
            Err(_) => return Err(postgres::does_not_start(seen, "it is not ready after 60 s")),
        };
        servers.hold(data);
        Urls::of(settings, &url).map_err(broken)
    }

    async fn connect(&mut self, urls: Urls) {
        let settings = PoolSettings {
            read_only: true,
            statement_timeout: Some(STATEMENT_MAX),
            acquire_timeout: ACQUIRE_MAX,
            ..PoolSettings::new("handsel doctor").connections_max(CONNECTIONS_MAX)
        };
        for url in urls.stores.values().chain([&urls.keys, &urls.views]) {
            if self.databases.iter().any(|known| known.url.expose() == url.expose()) {
                continue;
            }
            let name = connect_options(url, &settings).map_or_else(|_| "?".to_owned(), |options| server_name(&options));
            self.databases.push(Database { name, url: url.clone(), pool: pool(url, &settings).await });
        }
        self.urls = Some(urls);
        for context in Context::ALL {
            let store = match (self.store_config(context), self.store_database(context)) {
                (Ok(config), Ok(_)) => Store::open(config).await.map_err(|error| error.to_string()),
                _ => Err(format!("the database of the store `{context}` cannot be reached")),
            };
            self.stores.insert(context, store);
        }
    }

    fn database(&self, url: &Secret) -> Result<&PgPool, NotLooked> {
        let found = self.databases.iter().find(|database| database.url.expose() == url.expose());
        let pool = found.and_then(|database| database.pool.as_ref().ok());
        pool.ok_or_else(|| NotLooked::because("the database cannot be reached"))
    }

    fn urls(&self) -> Result<&Urls, NotLooked> {
        self.urls.as_ref().ok_or_else(|| NotLooked::because("the databases were not found"))
    }

    /// The databases that answer.
    pub(super) fn reached(&self) -> impl Iterator<Item = (&str, &PgPool)> {
        self.databases.iter().filter_map(|database| Some((database.name.as_str(), database.pool.as_ref().ok()?)))
    }

    /// The store of a context.
    pub(super) fn store(&self, context: Context) -> Result<&Store, NotLooked> {
        let store = self.stores.get(&context).ok_or_else(|| NotLooked::because("the databases were not found"))?;
        store.as_ref().map_err(|reason| NotLooked::because(reason.clone()))
    }

    /// How a context's store is opened.
    pub(super) fn store_config(&self, context: Context) -> Result<StoreConfig, NotLooked> {
        let mut config = store_config(self.urls()?, context);
        (config.command_timeout, config.reader_connections_max) = (ACQUIRE_MAX, CONNECTIONS_MAX);
        Ok(config)
    }

    /// The database of a context's store.
    pub(super) fn store_database(&self, context: Context) -> Result<&PgPool, NotLooked> {
        self.database(&self.urls()?.stores[&context])
    }

    /// The database of the keys.
    pub(super) fn keys(&self) -> Result<&PgPool, NotLooked> {
        self.database(&self.urls()?.keys)
    }

    /// The database of the read models.
    pub(super) fn views(&self) -> Result<&PgPool, NotLooked> {
        self.database(&self.urls()?.views)
    }

    /// The key that wraps all others, if this machine has it. None is made.
    pub(super) fn master(&self) -> Result<Option<MasterKey>, String> {
        let data = &self.settings.common.data;
        if let Some(set) = data.master_key().map_err(|error| error.to_string())? {
            return MasterKey::parse(set.expose()).map(Some).map_err(|error| error.to_string());
        }
        let file = self.folder.join("master.key");
        if !file.exists() {
            return Ok(None);
        }
        MasterKey::from_file(&file).map(Some).map_err(|error| error.to_string())
    }

    /// Whether any role works on a database just now, as its sessions say.
    pub(super) async fn is_served(&self, pool: &PgPool) -> Result<bool, NotLooked> {
        if self.running.is_some() {
            return Ok(true);
        }
        let served = sqlx::query_scalar(
            "select exists (select from pg_stat_activity
              where datname = current_database()
                and (application_name like '% appender' or application_name like '% relay'
                     or application_name in ('handsel projector', 'handsel projector locks', 'handsel views')))",
        );
        Ok(served.fetch_one(pool).await?)
    }
}
