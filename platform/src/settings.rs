//! What can be set, by flag or environment: these comments are the manual that `--help` prints.
//!
//! A secret `X` is also read from the file named by `X_FILE`, so that it need not stand in an environment. Where both
//! are set, the value wins.

mod heads;
mod mail;
mod payments;
mod reads;
mod search;
mod secret;
#[cfg(test)]
mod tests;

use std::env;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::http::BODY_BYTES_MAX;

pub use heads::HeadsSettings;
pub use mail::MailSettings;
pub use payments::PaymentsSettings;
pub use reads::ReadsSettings;
pub use search::{SEARCH_PORT, SearchSettings};
pub use secret::{Secret, SettingsError, secret_or_file};

/// Where the data of this instance lies.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Data")]
pub struct DataSettings {
    /// Folder for everything that must survive: keys, the embedded database, indexes.
    /// [default: ~/.local/share/handsel, as root /var/lib/handsel]
    #[arg(long, env = "HANDSEL_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Secret of 32 bytes in base64 that wraps all other keys; without it one is made in the data folder.
    #[arg(long, env = "HANDSEL_MASTER_KEY", value_name = "BASE64", hide_env_values = true)]
    pub master_key: Option<Secret>,

    /// File that holds the master key, unless that is set.
    #[arg(long, env = "HANDSEL_MASTER_KEY_FILE", value_name = "FILE")]
    pub master_key_file: Option<PathBuf>,
}

impl DataSettings {
    /// The folder that was asked for, or the usual one of this user.
    pub fn directory(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| {
            usual_directory(is_root(), env::var_os("XDG_DATA_HOME"), env::var_os("HOME"), "/var/lib", ".local/share")
        })
    }

    /// The master key where one is set; the data folder has another.
    pub fn master_key(&self) -> Result<Option<Secret>, SettingsError> {
        secret_or_file("HANDSEL_MASTER_KEY", self.master_key.as_ref(), self.master_key_file.as_deref())
    }
}

/// Which databases to use. Contexts may have their own: `HANDSEL_<CONTEXT>_DATABASE_URL`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Postgres")]
pub struct DatabaseSettings {
    /// Postgres 17 or later for everything that has no database of its own.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<Secret>,

    /// File that holds the database URL, unless that is set.
    #[arg(long, env = "DATABASE_URL_FILE", value_name = "FILE")]
    pub database_url_file: Option<PathBuf>,

    /// Database of the keys that open personal data; dumped apart. [default: the database URL]
    #[arg(long, env = "HANDSEL_KEYS_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub keys_database_url: Option<Secret>,

    /// File that holds the URL of the keys' database, unless that is set.
    #[arg(long, env = "HANDSEL_KEYS_DATABASE_URL_FILE", value_name = "FILE")]
    pub keys_database_url_file: Option<PathBuf>,

    /// Database of the read models. [default: the database URL]
    #[arg(long, env = "HANDSEL_VIEWS_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub views_database_url: Option<Secret>,

    /// File that holds the URL of the read models' database, unless that is set.
    #[arg(long, env = "HANDSEL_VIEWS_DATABASE_URL_FILE", value_name = "FILE")]
    pub views_database_url_file: Option<PathBuf>,

    /// Connections of one pool at most.
    #[arg(long, env = "HANDSEL_DATABASE_CONNECTIONS", value_name = "N", default_value_t = 16)]
    pub database_connections: u32,
}

impl DatabaseSettings {
    /// The database for everything that has none of its own; `None` asks for the embedded one.
    pub fn url(&self) -> Result<Option<Secret>, SettingsError> {
        secret_or_file("DATABASE_URL", self.database_url.as_ref(), self.database_url_file.as_deref())
    }

    /// The database of the keys.
    pub fn keys_url(&self) -> Result<Option<Secret>, SettingsError> {
        let file = self.keys_database_url_file.as_deref();
        let own = secret_or_file("HANDSEL_KEYS_DATABASE_URL", self.keys_database_url.as_ref(), file)?;
        own.map_or_else(|| self.url(), |url| Ok(Some(url)))
    }

    /// The database of the read models.
    pub fn views_url(&self) -> Result<Option<Secret>, SettingsError> {
        let file = self.views_database_url_file.as_deref();
        let own = secret_or_file("HANDSEL_VIEWS_DATABASE_URL", self.views_database_url.as_ref(), file)?;
        own.map_or_else(|| self.url(), |url| Ok(Some(url)))
    }

    /// The database of one context's store.
    pub fn context_url(&self, context: &str) -> Result<Option<Secret>, SettingsError> {
        let variable = context_variable(context);
        let value = env::var(&variable).ok().filter(|value| !value.is_empty()).map(Secret::new);
        let file = env::var_os(format!("{variable}_FILE")).map(PathBuf::from);
        let own = secret_or_file(&variable, value.as_ref(), file.as_deref())?;
        own.map_or_else(|| self.url(), |url| Ok(Some(url)))
    }
}

/// The environment variable that gives one context a database of its own.
pub fn context_variable(context: &str) -> String {
    format!("HANDSEL_{}_DATABASE_URL", context.to_uppercase().replace('-', "_"))
}

/// Which Kafka to use.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaSettings {
    /// Brokers as host:port, separated by commas. [default: the embedded broker, which forgets at exit]
    #[arg(long = "kafka-brokers", env = "KAFKA_BROKERS", value_name = "HOST:PORT,…")]
    pub brokers: Option<String>,

    /// plaintext, ssl, sasl_plaintext or sasl_ssl; all but the first need a build with feature `kafka-tls`.
    #[arg(long = "kafka-security-protocol", env = "KAFKA_SECURITY_PROTOCOL", value_name = "NAME")]
    pub security_protocol: Option<String>,

    /// PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
    #[arg(long = "kafka-sasl-mechanism", env = "KAFKA_SASL_MECHANISM", value_name = "NAME")]
    pub sasl_mechanism: Option<String>,

    /// User name for SASL.
    #[arg(long = "kafka-sasl-username", env = "KAFKA_SASL_USERNAME", value_name = "NAME")]
    pub sasl_username: Option<String>,

    /// Password for SASL.
    #[arg(long = "kafka-sasl-password", env = "KAFKA_SASL_PASSWORD", value_name = "TEXT", hide_env_values = true)]
    pub sasl_password: Option<Secret>,

    /// File that holds the password for SASL, unless that is set.
    #[arg(long = "kafka-sasl-password-file", env = "KAFKA_SASL_PASSWORD_FILE", value_name = "FILE")]
    pub sasl_password_file: Option<PathBuf>,

    /// Certificates to trust, as a PEM file.
    #[arg(long = "kafka-ssl-ca", env = "KAFKA_SSL_CA", value_name = "FILE")]
    pub ssl_ca: Option<PathBuf>,

    /// Copies of each partition. [default: 3, or as many as there are brokers]
    #[arg(long = "kafka-replication", env = "KAFKA_REPLICATION", value_name = "N")]
    pub replication: Option<i32>,

    /// How long a fetch may wait for data. [default: 500; 2 with the embedded broker]
    #[arg(long = "kafka-fetch-wait-max-ms", env = "KAFKA_FETCH_WAIT_MAX_MS", value_name = "MS")]
    pub fetch_wait_max_ms: Option<u32>,
}

impl KafkaSettings {
    /// The SASL password, from the setting or its file.
    pub fn sasl_password(&self) -> Result<Option<Secret>, SettingsError> {
        secret_or_file("KAFKA_SASL_PASSWORD", self.sasl_password.as_ref(), self.sasl_password_file.as_deref())
    }
}

/// Where to listen, and how much to take from one caller.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "HTTP")]
pub struct HttpSettings {
    /// Address to listen on; loopback unless told otherwise.
    #[arg(long, env = "HANDSEL_HOST", value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,

    /// Port of the API; 0 takes a free one.
    #[arg(long, env = "HANDSEL_PORT", value_name = "PORT", default_value_t = 8420)]
    pub port: u16,

    /// Port of /livez, /readyz, /startupz and /metrics; 0 takes a free one.
    #[arg(long, env = "HANDSEL_ADMIN_PORT", value_name = "PORT", default_value_t = 8421)]
    pub admin_port: u16,

    /// Largest request body in bytes.
    #[arg(long, env = "HANDSEL_BODY_BYTES_MAX", value_name = "BYTES", default_value_t = BODY_BYTES_MAX)]
    pub body_bytes_max: usize,

    /// Longest time for one request; a single statement of a query gets half of it.
    #[arg(long, env = "HANDSEL_REQUEST_TIMEOUT_MS", value_name = "MS", default_value_t = 30_000)]
    pub request_timeout_ms: u64,

    /// Longest time that a query waits for what its Consistency-Token tells of.
    #[arg(long, env = "HANDSEL_TOKEN_WAIT_MAX_MS", value_name = "MS", default_value_t = 2_000)]
    pub token_wait_max_ms: u64,

    /// How many streams of events may be open at once.
    #[arg(long, env = "HANDSEL_EVENT_STREAMS_MAX", value_name = "N", default_value_t = 2_000)]
    pub event_streams_max: usize,

    /// Whether webhooks may lead to this machine and into private networks. [default: only while this listens on
    /// loopback]
    #[arg(long, env = "HANDSEL_WEBHOOK_PRIVATE_TARGETS", value_name = "true|false")]
    pub webhook_private_targets: Option<bool>,
}

/// The Postgres and the broker that the program brings along.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Embedded servers")]
pub struct EmbeddedSettings {
    /// Folder with `initdb`, `postgres` and `pg_ctl` of an installed Postgres 17 or later, instead of fetching one.
    #[arg(long, env = "HANDSEL_POSTGRES_BIN", value_name = "DIR")]
    pub postgres_bin: Option<PathBuf>,

    /// Port of the embedded Postgres. [default: a free one, remembered in the data folder]
    #[arg(long, env = "HANDSEL_POSTGRES_PORT", value_name = "PORT")]
    pub postgres_port: Option<u16>,

    /// Memory that the embedded Postgres shares between its processes.
    #[arg(long, env = "HANDSEL_POSTGRES_SHARED_BUFFERS", value_name = "SIZE", default_value = "128MB")]
    pub postgres_shared_buffers: String,

    /// Port of the embedded broker; 0 takes a free one.
    #[arg(long, env = "HANDSEL_BROKER_PORT", value_name = "PORT", default_value_t = 8492)]
    pub broker_port: u16,

    /// Folder for what is fetched once. [default: ~/.cache/handsel, as root /var/cache/handsel]
    #[arg(long, env = "HANDSEL_CACHE_DIR", value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
}

impl EmbeddedSettings {
    /// The folder for what is fetched once.
    pub fn cache_directory(&self) -> PathBuf {
        self.cache_dir.clone().unwrap_or_else(usual_cache_directory)
    }
}

/// The cache folder of this user. Root's is not below its home, which the database's user could not enter.
pub fn usual_cache_directory() -> PathBuf {
    usual_directory(is_root(), env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"), "/var/cache", ".cache")
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn usual_directory(
    root: bool,
    xdg: Option<std::ffi::OsString>,
    home: Option<std::ffi::OsString>,
    system: &str,
    below_home: &str,
) -> PathBuf {
    let base = match (root, xdg.map(PathBuf::from).filter(|path| path.is_absolute()), home) {
        (true, _, _) => PathBuf::from(system),
        (false, Some(xdg), _) => xdg,
        (false, None, Some(home)) => Path::new(&home).join(below_home),
        (false, None, None) => env::temp_dir(),
    };
    base.join("handsel")
}
