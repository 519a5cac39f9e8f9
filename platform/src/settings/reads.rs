//! What is kept of what was read, and where processes share it.

use std::path::PathBuf;

use clap::Args;

use super::{Secret, SettingsError, secret_or_file};

/// How much memory unless it is set, in MiB.
const READ_CACHE_MB: u32 = 32;
const BYTES_PER_MB: u64 = 1024 * 1024;

/// What the query API keeps of what was read.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Reads")]
pub struct ReadsSettings {
    /// Memory of the query API for what was read before, in MiB; with 0 it reads the database each time, and no Redis.
    #[arg(long, env = "HANDSEL_READ_CACHE_MB", value_name = "MB", default_value_t = READ_CACHE_MB)]
    pub read_cache_mb: u32,

    /// Redis in which processes share what was read before: redis://, or rediss:// for TLS. [default: none; each keeps
    /// its own]
    #[arg(long, env = "REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub redis_url: Option<Secret>,

    /// File that holds the URL of Redis, unless that is set.
    #[arg(long, env = "REDIS_URL_FILE", value_name = "FILE")]
    pub redis_url_file: Option<PathBuf>,
}

impl ReadsSettings {
    /// How many bytes are kept in memory.
    pub fn read_cache_bytes(&self) -> u64 {
        u64::from(self.read_cache_mb) * BYTES_PER_MB
    }

    /// Where processes share what they read; `None`: nowhere.
    pub fn redis_url(&self) -> Result<Option<Secret>, SettingsError> {
        secret_or_file("REDIS_URL", self.redis_url.as_ref(), self.redis_url_file.as_deref())
    }
}
