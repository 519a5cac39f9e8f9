//! How the heads of stores are signed, and whose signatures count.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Secret, SettingsError, secret_or_file};

/// How the heads of stores are signed, and whose signatures count.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Signed heads")]
pub struct HeadsSettings {
    /// Secret of 32 bytes in base64 that signs the heads of stores; without it one is made in the data folder.
    #[arg(long, env = "HANDSEL_HEADS_KEY", value_name = "BASE64", hide_env_values = true)]
    pub heads_key: Option<Secret>,

    /// File that holds the key of the heads, unless that is set.
    #[arg(long, env = "HANDSEL_HEADS_KEY_FILE", value_name = "FILE")]
    pub heads_key_file: Option<PathBuf>,

    /// Whose signed heads count when a store is checked; `handsel heads` shows yours. [default: that of the own key]
    #[arg(long, env = "HANDSEL_HEADS_PUBLIC_KEY", value_name = "BASE64,…", value_delimiter = ',')]
    pub heads_public_key: Vec<String>,

    /// How often the head of each store is signed if it moved; 0 signs none.
    #[arg(long, env = "HANDSEL_HEADS_INTERVAL_MS", value_name = "MS", default_value_t = 10_000)]
    pub heads_interval_ms: u64,
}

impl HeadsSettings {
    /// The signing key where one is set; the data folder has another.
    pub fn key(&self) -> Result<Option<Secret>, SettingsError> {
        secret_or_file("HANDSEL_HEADS_KEY", self.heads_key.as_ref(), self.heads_key_file.as_deref())
    }

    /// How long to wait between two signatures; `None` signs none.
    pub fn interval(&self) -> Option<Duration> {
        (self.heads_interval_ms > 0).then(|| Duration::from_millis(self.heads_interval_ms))
    }
}
