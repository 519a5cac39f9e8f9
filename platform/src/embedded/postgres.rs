//! A private Postgres in the data folder: fetched once, started as a child, stopped with us.

mod binaries;
mod cluster;
mod error;
mod owner;
mod server;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::process::Child;

use crate::settings::{EmbeddedSettings, Secret, usual_cache_directory};
use binaries::Binaries;
use cluster::Cluster;
pub use error::EmbeddedError;

/// How long a fast stop may take before the server is stopped at once; its log is then replayed at the next start.
const STOP_MAX: Duration = Duration::from_secs(6);

/// How the embedded Postgres is started.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// The folder `postgres` is made below this one.
    pub data_dir: PathBuf,
    /// Where fetched binaries are kept.
    pub cache_dir: PathBuf,
    /// Installed binaries to use instead of fetching.
    pub bin_dir: Option<PathBuf>,
    /// A fixed port; otherwise a free one is remembered.
    pub port: Option<u16>,
    /// Memory shared between its processes.
    pub shared_buffers: String,
    /// Connections at most.
    pub connections_max: u32,
    /// Whether what is committed survives a crash of the machine; only tests do without.
    pub durable: bool,
}

impl PostgresOptions {
    /// The usual settings below `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        PostgresOptions {
            data_dir: data_dir.into(),
            cache_dir: usual_cache_directory(),
            bin_dir: None,
            port: None,
            shared_buffers: "128MB".to_owned(),
            connections_max: 200,
            durable: true,
        }
    }

    /// What the settings say, below `data_dir`.
    pub fn from_settings(data_dir: impl Into<PathBuf>, settings: &EmbeddedSettings) -> Self {
        PostgresOptions {
            cache_dir: settings.cache_directory(),
            bin_dir: settings.postgres_bin.clone(),
            port: settings.postgres_port,
            shared_buffers: settings.postgres_shared_buffers.clone(),
            ..PostgresOptions::new(data_dir)
        }
    }

    /// The same without waiting for the disk: fast, and lost with the machine.
    #[must_use]
    pub fn for_tests(mut self) -> Self {
        self.durable = false;
        self.connections_max = 500;
        self
    }
}

/// A running Postgres; stop it with [`EmbeddedPostgres::stop`]. Dropped, it is told to stop but not waited for.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    child: Child,
    url: Secret,
    version: String,
}

impl EmbeddedPostgres {
    /// Fetches, initialises and starts it, as far as each is still to be done. The caller holds the data folder's lock:
    /// a server that is found running there was left over from a process that was killed, and is stopped first.
    pub async fn start(options: &PostgresOptions) -> Result<Self, EmbeddedError> {
        let owner = owner::of_cluster(&options.data_dir)?;
        let binaries = Binaries::find(options, owner).await?;
        let cluster = Cluster::prepare(options, &binaries, owner).await?;
        let (child, port) = server::start(options, &binaries, &cluster).await?;
        let postgres = EmbeddedPostgres { child, url: cluster.url(port), version: binaries.version.clone() };
        cluster.make_database(port).await?;
        tracing::info!(port, version = %postgres.version, "Started embedded Postgres on port {port}");
        Ok(postgres)
    }

    /// How to connect to it; the password stands in it.
    pub fn url(&self) -> &Secret {
        &self.url
    }

    /// Its version, such as `18.6`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Waits until it ends by itself, which it should not.
    pub async fn ended(&mut self) -> EmbeddedError {
        let how = match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        EmbeddedError::Ended(how)
    }

    /// Stops it: connections are cut, everything committed is on disk.
    pub async fn stop(self) -> Result<(), EmbeddedError> {
        self.stop_within(STOP_MAX).await
    }

    /// The same where less time is left.
    pub async fn stop_within(mut self, max: Duration) -> Result<(), EmbeddedError> {
        let max = max.min(STOP_MAX);
        self.signal(Signal::SIGINT);
        if tokio::time::timeout(max, self.child.wait()).await.is_err() {
            tracing::warn!("Stopping embedded Postgres at once: it did not stop in {max:?}");
            self.signal(Signal::SIGQUIT);
            self.child.wait().await.map_err(|error| EmbeddedError::Ended(error.to_string()))?;
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        // No id means that it has ended and was waited for: nothing to stop.
        if let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for EmbeddedPostgres {
    fn drop(&mut self) {
        self.signal(Signal::SIGINT);
    }
}
