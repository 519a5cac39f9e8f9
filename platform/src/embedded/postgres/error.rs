//! Why the embedded Postgres does not start: each in one line that says what to do.

use std::io;
use std::path::PathBuf;

/// Why the embedded Postgres does not run.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The first start found no network.
    #[error(
        "cannot fetch Postgres {version}, which the first start needs once: {reason}. Connect to the network, or set \
         HANDSEL_POSTGRES_BIN to the folder of an installed Postgres 17 or later, or DATABASE_URL to a running one"
    )]
    NotFetched {
        /// What was asked for.
        version: String,
        /// What went wrong.
        reason: String,
    },
    /// Installed binaries that are none.
    #[error(
        "HANDSEL_POSTGRES_BIN is {folder}, but {program} there cannot be run: {reason}. It must hold initdb, postgres \
         and pg_ctl"
    )]
    NoBinaries {
        /// The folder.
        folder: PathBuf,
        /// The program that is missing.
        program: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// Installed binaries that are too old.
    #[error("{folder} holds Postgres {found}, but {needed} or later is needed (it has transaction_timeout)")]
    TooOld {
        /// The folder.
        folder: PathBuf,
        /// Its version.
        found: String,
        /// The oldest that will do.
        needed: u32,
    },
    /// The data was written by another major version.
    #[error(
        "{data} was made by Postgres {found}, but the binaries are version {binaries}: use those of {found} by \
         HANDSEL_POSTGRES_BIN, or move the data with pg_upgrade"
    )]
    OtherVersion {
        /// The cluster.
        data: PathBuf,
        /// The version that made it.
        found: String,
        /// The version at hand.
        binaries: String,
    },
    /// A folder above is closed to the user that Postgres runs as.
    #[error(
        "Postgres refuses to run as root and runs as user {uid}, which cannot enter {folder}: allow it with `chmod \
         o+x {folder}`, or choose other folders with --data-dir and --cache-dir"
    )]
    NotEnterable {
        /// The folder that is closed.
        folder: PathBuf,
        /// The user.
        uid: u32,
    },
    /// The fixed port is taken.
    #[error("port {port} for the embedded Postgres is in use: choose another with --postgres-port, or leave it out")]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// A file could not be made, read or changed.
    #[error("cannot {what} {path}: {source}")]
    Files {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A program of Postgres failed.
    #[error("{program} failed: {reason}")]
    Failed {
        /// Which.
        program: &'static str,
        /// Its last words.
        reason: String,
    },
    /// It started, but cannot be used.
    #[error("the embedded Postgres started, but cannot be used: {0}")]
    Unusable(#[from] sqlx::Error),
    /// It ended while we still need it.
    #[error("the embedded Postgres ended by itself ({0}): see postgres/postgres.log in the data folder, then restart")]
    Ended(String),
}

impl EmbeddedError {
    pub(super) fn files(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| EmbeddedError::Files { what, path, source }
    }
}
