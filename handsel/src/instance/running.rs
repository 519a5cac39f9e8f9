//! The note that a running `up` leaves in its data folder, by which commands find its servers.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

const FILE: &str = "running.json";

/// Where the parts of a running `up` listen. It names a password, so only its owner can read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Running {
    /// The process.
    pub pid: u32,
    /// The API.
    pub url: String,
    /// Liveness, readiness and metrics.
    pub admin_url: String,
    /// The database for everything that has none of its own.
    pub database_url: String,
    /// Of each context's store, by its name.
    #[serde(default)]
    pub store_urls: BTreeMap<String, String>,
    /// Of the keys.
    pub keys_url: Option<String>,
    /// Of the read models.
    pub views_url: Option<String>,
    /// Kafka.
    pub kafka_brokers: Option<String>,
    /// The broker came along and forgets at exit.
    pub embedded_broker: bool,
    /// What the names of topics begin with.
    #[serde(default)]
    pub topic_prefix: String,
}

impl Running {
    /// What the `up` that holds the folder says.
    ///
    /// # Errors
    /// If it says nothing yet.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let text = fs::read(folder.join(FILE)).with_context(|| {
            format!("`handsel up` on {} is still starting or is owned by another user; try again", folder.display())
        })?;
        serde_json::from_slice(&text).with_context(|| format!("{} cannot be read", folder.join(FILE).display()))
    }

    /// Whether the process that left the note still lives.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Path::new("/proc").join(self.pid.to_string()).exists()
    }

    /// Leaves the note, whole or not at all. It is taken back when the answer is dropped.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn write(&self, folder: &Path) -> anyhow::Result<Note> {
        let (path, fresh) = (folder.join(FILE), folder.join("running.new"));
        let text = serde_json::to_vec_pretty(self)?;
        let write = || -> io::Result<()> {
            let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
            file.write_all(&text)?;
            fs::rename(&fresh, &path)
        };
        write().with_context(|| format!("cannot write {}; choose another folder with --data-dir", path.display()))?;
        Ok(Note(path))
    }
}

/// The note lies in the folder for as long as this lives.
#[derive(Debug)]
pub struct Note(PathBuf);

impl Drop for Note {
    fn drop(&mut self) {
        // Without the lock nobody believes it, so one that stays does no harm.
        let _ = fs::remove_file(&self.0);
    }
}
