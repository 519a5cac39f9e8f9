//! One instance: its data folder, its databases and its Kafka, whether they were given or came along.

#[cfg(feature = "embedded")]
mod embedded;
#[cfg(not(feature = "embedded"))]
#[path = "instance/not_embedded.rs"]
mod embedded;
mod running;
mod servers;

use std::collections::BTreeMap;

use anyhow::Context as _;
use event_schemas::Context;
use event_store::keys::MasterKey;
use platform::data_dir::{DataDir, DataDirError};
use platform::settings::{KafkaSettings, Secret};

pub use running::Running;
pub use servers::Servers;

use crate::roles::Role;
use crate::settings::Settings;
use crate::spine::Needs;

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
    /// The key that wraps all others, as text, unless nobody needs it; who does reads it anew.
    master: Option<Secret>,
    database_url: Secret,
}

impl Instance {
    /// Takes the data folder and starts the servers that were not given: for `up`.
    ///
    /// # Errors
    /// If the folder is in use or unfit, or a server cannot be started.
    pub async fn start(settings: Settings) -> anyhow::Result<(Self, Servers)> {
        let data = DataDir::open(&settings.data.directory())?;
        data.admin_key()?;
        let master = Some(master_key(&settings, Some(&data))?);
        let mut servers = Servers::default();
        let given = settings.database.url()?;
        let url = match given {
            Some(url) => url,
            None => servers.start_postgres(&settings, &data).await?,
        };
        let mut kafka = settings.kafka.clone();
        let embedded_broker = kafka.brokers.is_none();
        if embedded_broker {
            kafka.brokers = Some(servers.start_broker(&settings).await?);
        }
        let urls = Urls::of(&settings, &url)?;
        servers.hold(data);
        Ok((Self { settings, urls, kafka, embedded_broker, master, database_url: url }, servers))
    }

    /// Finds the instance that a command is about: the databases that were set, those of the `up` that runs on the data
    /// folder, or, when none runs, the embedded Postgres, started for as long as the command lasts.
    ///
    /// # Errors
    /// If there is no instance, or its Postgres cannot be started.
    pub async fn attach(settings: Settings) -> anyhow::Result<(Self, Servers)> {
        if let Some(url) = settings.database.url()? {
            let (master, urls) = (Some(master_key(&settings, None)?), Urls::of(&settings, &url)?);
            let (servers, kafka) = (Servers::default(), settings.kafka.clone());
            let embedded_broker = false;
            return Ok((Self { settings, urls, kafka, embedded_broker, master, database_url: url }, servers));
        }
        let folder = settings.data.directory();
        anyhow::ensure!(
            folder.exists(),
            "there is nothing in {}: start `handsel up` first, or name the instance with --data-dir or DATABASE_URL",
            folder.display()
        );
        match DataDir::open(&folder) {
            Ok(data) => {
                let mut servers = Servers::default();
                let database_url = servers.start_postgres(&settings, &data).await?;
                let (master, urls) = (Some(master_key(&settings, Some(&data))?), Urls::of(&settings, &database_url)?);
                servers.hold(data);
                let kafka = settings.kafka.clone();
                Ok((Self { settings, urls, kafka, embedded_broker: false, master, database_url }, servers))
            }
            Err(DataDirError::InUse { .. }) => {
                Ok((Self::beside(settings, Running::read(&folder)?)?, Servers::default()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The instance of the `up` that runs on the data folder; what this command was told itself wins.
    fn beside(mut settings: Settings, running: Running) -> anyhow::Result<Self> {
        let master = Some(master_key(&settings, None)?);
        let urls = Urls::beside(&settings, &running)?;
        settings.topics.prefer(&running.topic_prefix);
        let mut kafka = settings.kafka.clone();
        let embedded_broker = kafka.brokers.is_none() && running.embedded_broker;
        kafka.brokers = kafka.brokers.or(running.kafka_brokers);
        Ok(Self { settings, urls, kafka, embedded_broker, master, database_url: Secret::new(running.database_url) })
    }

    /// Finds the databases of a role that runs alone: they must have been set.
    ///
    /// # Errors
    /// If they were not.
    pub fn given(settings: Settings, roles: &[Role]) -> anyhow::Result<Self> {
        let url = settings.database.url()?.context(
            "a role alone needs DATABASE_URL (Postgres 17 or later); `handsel up` brings its own Postgres along",
        )?;
        anyhow::ensure!(
            settings.kafka.brokers.is_some() || !roles.iter().any(|role| role.needs_kafka()),
            "this role alone needs KAFKA_BROKERS (host:port); `handsel up` brings its own broker along"
        );
        let master = Needs::of(roles).master_key().then(|| master_key(&settings, None)).transpose()?;
        let urls = Urls::of(&settings, &url)?;
        let kafka = settings.kafka.clone();
        Ok(Self { settings, urls, kafka, embedded_broker: false, master, database_url: url })
    }

    /// An instance on servers that somebody else keeps: for tests.
    #[must_use]
    pub fn on(settings: Settings, urls: Urls, kafka: KafkaSettings, embedded_broker: bool, master: &MasterKey) -> Self {
        let (master, database_url) = (Secret::new(master.to_text().as_str()), urls.views.clone());
        Self { settings, urls, kafka, embedded_broker, master: Some(master), database_url }
    }

    /// The key that wraps all others.
    ///
    /// # Errors
    /// If the roles of this process do without.
    pub fn master(&self) -> anyhow::Result<MasterKey> {
        let text = self.master.as_ref().context("this role works without the master key")?;
        Ok(MasterKey::parse(text.expose())?)
    }

    /// The database for everything that has none of its own.
    #[must_use]
    pub fn database_url(&self) -> &Secret {
        &self.database_url
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

    /// Those of a running `up`, unless others were set.
    pub(crate) fn beside(settings: &Settings, running: &Running) -> anyhow::Result<Self> {
        let other = Secret::new(running.database_url.clone());
        let noted = |url: Option<&String>| url.map_or_else(|| other.clone(), Secret::new);
        let mut stores = BTreeMap::new();
        for context in Context::ALL {
            let set = settings.database.context_url(context.name())?;
            stores.insert(context, set.unwrap_or_else(|| noted(running.store_urls.get(context.name()))));
        }
        let keys = settings.database.keys_url()?.unwrap_or_else(|| noted(running.keys_url.as_ref()));
        let views = settings.database.views_url()?.unwrap_or_else(|| noted(running.views_url.as_ref()));
        Ok(Self { stores, keys, views })
    }
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
