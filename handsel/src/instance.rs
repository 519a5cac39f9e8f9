//! One instance: its data folder, its databases and its Kafka, whether they were given or came along.

mod running;

use std::collections::BTreeMap;

use anyhow::Context as _;
use event_schemas::Context;
use event_store::keys::MasterKey;
use platform::data_dir::{DataDir, DataDirError};
use platform::embedded::broker::EmbeddedBroker;
use platform::embedded::postgres::{EmbeddedPostgres, PostgresOptions};
use platform::settings::{KafkaSettings, Secret};

pub use running::Running;

use crate::settings::Settings;

/// Where the databases of an instance are.
#[derive(Clone, Debug)]
pub struct Urls {
    /// Of each context's store.
    pub stores: BTreeMap<Context, Secret>,
    /// Of the keys that open personal data.
    pub keys: Secret,
    /// Of the read models.
    pub views: Secret,
}

/// What every role and command works on.
#[derive(Clone, Debug)]
pub struct Instance {
    /// As it was set.
    pub settings: Settings,
    /// Where its databases are.
    pub urls: Urls,
    /// Where its Kafka is; no brokers where a command needs none.
    pub kafka: KafkaSettings,
    /// The broker came along and forgets at exit.
    pub embedded_broker: bool,
    /// The key that wraps all others, as text; whoever needs it reads it anew.
    master: Secret,
    database_url: Secret,
}

/// What came along and ends with the process; the data folder stays locked until its Postgres is down.
#[derive(Debug, Default)]
#[must_use = "servers that are dropped are not waited for"]
pub struct Servers {
    broker: Option<EmbeddedBroker>,
    postgres: Option<EmbeddedPostgres>,
    data: Option<DataDir>,
}

impl Instance {
    /// Takes the data folder and starts the servers that were not given: for `up`.
    ///
    /// # Errors
    /// If the folder is in use or unfit, or a server cannot be started.
    pub async fn start(settings: Settings) -> anyhow::Result<(Self, Servers)> {
        let data = DataDir::open(&settings.data.directory())?;
        data.admin_key()?;
        let master = master_key(&settings, Some(&data))?;
        let mut servers = Servers::default();
        let given = settings.database.url()?;
        let url = match given {
            Some(url) => url,
            None => start_postgres(&settings, &data, &mut servers).await?,
        };
        let mut kafka = settings.kafka.clone();
        let embedded_broker = kafka.brokers.is_none();
        if embedded_broker {
            let address = ([127, 0, 0, 1], settings.embedded.broker_port).into();
            let broker = EmbeddedBroker::start(address).await?;
            kafka.brokers = Some(broker.address().to_string());
            servers.broker = Some(broker);
        }
        let urls = Urls::of(&settings, &url)?;
        servers.data = Some(data);
        Ok((Self { settings, urls, kafka, embedded_broker, master, database_url: url }, servers))
    }

    /// Finds the instance that a command is about: the databases that were set, those of the `up` that runs on the data
    /// folder, or, when none runs, the embedded Postgres, started for as long as the command lasts.
    ///
    /// # Errors
    /// If there is no instance, or its Postgres cannot be started.
    pub async fn attach(settings: Settings) -> anyhow::Result<(Self, Servers)> {
        let mut kafka = settings.kafka.clone();
        if let Some(url) = settings.database.url()? {
            let (master, urls) = (master_key(&settings, None)?, Urls::of(&settings, &url)?);
            let servers = Servers::default();
            let embedded_broker = false;
            return Ok((Self { settings, urls, kafka, embedded_broker, master, database_url: url }, servers));
        }
        let folder = settings.data.directory();
        anyhow::ensure!(
            folder.exists(),
            "there is nothing in {}: start `handsel up` first, or name the instance with --data-dir or DATABASE_URL",
            folder.display()
        );
        let mut servers = Servers::default();
        let (url, embedded_broker) = match DataDir::open(&folder) {
            Ok(data) => {
                let url = start_postgres(&settings, &data, &mut servers).await?;
                servers.data = Some(data);
                (url, false)
            }
            Err(DataDirError::InUse { .. }) => {
                let running = Running::read(&folder)?;
                let embedded = kafka.brokers.is_none() && running.embedded_broker;
                kafka.brokers = kafka.brokers.or(running.kafka_brokers);
                (Secret::new(running.database_url), embedded)
            }
            Err(error) => return Err(error.into()),
        };
        let (master, urls) = (master_key(&settings, servers.data.as_ref())?, Urls::of(&settings, &url)?);
        Ok((Self { settings, urls, kafka, embedded_broker, master, database_url: url }, servers))
    }

    /// Finds the databases of a role that runs alone: they must have been set.
    ///
    /// # Errors
    /// If they were not.
    pub fn given(settings: Settings, needs_kafka: bool) -> anyhow::Result<Self> {
        let url = settings.database.url()?.context(
            "a role alone needs DATABASE_URL (Postgres 17 or later); `handsel up` brings its own Postgres along",
        )?;
        anyhow::ensure!(
            !needs_kafka || settings.kafka.brokers.is_some(),
            "this role alone needs KAFKA_BROKERS (host:port); `handsel up` brings its own broker along"
        );
        let (master, urls) = (master_key(&settings, None)?, Urls::of(&settings, &url)?);
        let kafka = settings.kafka.clone();
        Ok(Self { settings, urls, kafka, embedded_broker: false, master, database_url: url })
    }

    /// An instance on servers that somebody else keeps: for tests.
    #[must_use]
    pub fn on(settings: Settings, urls: Urls, kafka: KafkaSettings, embedded_broker: bool, master: &MasterKey) -> Self {
        let (master, database_url) = (Secret::new(master.to_text().as_str()), urls.views.clone());
        Self { settings, urls, kafka, embedded_broker, master, database_url }
    }

    /// The key that wraps all others.
    ///
    /// # Panics
    /// Never: the text was read as a key when the instance was made.
    #[must_use]
    pub fn master(&self) -> MasterKey {
        MasterKey::parse(self.master.expose()).expect("the text was read as a key before")
    }

    /// The database for everything that has none of its own.
    #[must_use]
    pub fn database_url(&self) -> &Secret {
        &self.database_url
    }
}

impl Servers {
    /// Waits until the embedded Postgres ends by itself, which it should not; for ever if there is none.
    pub async fn ended(&mut self) -> anyhow::Error {
        match &mut self.postgres {
            Some(postgres) => postgres.ended().await.into(),
            None => std::future::pending().await,
        }
    }

    /// Stops what came along, Postgres last.
    ///
    /// # Errors
    /// If one does not stop.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Self { broker, postgres, data } = self;
        if let Some(broker) = broker {
            broker.stop().await;
        }
        if let Some(postgres) = postgres {
            postgres.stop().await?;
        }
        drop(data);
        Ok(())
    }
}

impl Urls {
    /// What was set, and this database for everything else.
    ///
    /// # Errors
    /// If a file that should hold a URL does not.
    pub fn of(settings: &Settings, other: &Secret) -> anyhow::Result<Self> {
        let mut stores = BTreeMap::new();
        for context in Context::ALL {
            stores.insert(context, settings.database.context_url(context.name())?.unwrap_or_else(|| other.clone()));
        }
        let keys = settings.database.keys_url()?.unwrap_or_else(|| other.clone());
        let views = settings.database.views_url()?.unwrap_or_else(|| other.clone());
        Ok(Self { stores, keys, views })
    }
}

async fn start_postgres(settings: &Settings, data: &DataDir, servers: &mut Servers) -> anyhow::Result<Secret> {
    let postgres = EmbeddedPostgres::start(&PostgresOptions::from_settings(data.path(), &settings.embedded)).await?;
    let url = postgres.url().clone();
    servers.postgres = Some(postgres);
    Ok(url)
}

/// The one that was set, else that of the data folder.
fn master_key(settings: &Settings, data: Option<&DataDir>) -> anyhow::Result<Secret> {
    if let Some(set) = settings.data.master_key()? {
        MasterKey::parse(set.expose()).context("HANDSEL_MASTER_KEY cannot be used")?;
        return Ok(set);
    }
    let folder = settings.data.directory();
    let held;
    let data = match data {
        Some(data) => Some(data),
        // Several roles may share a folder: who comes first makes the key.
        None => match DataDir::open(&folder) {
            Ok(data) => {
                held = data;
                Some(&held)
            }
            Err(DataDirError::InUse { .. }) => None,
            Err(error) => return Err(error.into()),
        },
    };
    if let Some(data) = data {
        data.master_key()?;
    }
    Ok(Secret::new(MasterKey::from_file(&folder.join("master.key"))?.to_text().as_str()))
}
