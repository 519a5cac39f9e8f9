//! The Postgres and the Kafka under the system, as processes that can be killed.

pub(crate) mod kafka;
pub(crate) mod postgres;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;

pub(crate) use self::kafka::Kafka;
pub(crate) use self::postgres::Postgres;

/// A folder that goes with this value. Everybody may enter it, because Postgres runs as another user when this one is
/// root.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> anyhow::Result<Self> {
        // Another one each time: servers that are started again must not find what the first ones left.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("handsel-rig-{}-{number}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::env::var_os("HANDSEL_RIG_KEEP").is_none() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// A port that was free a moment ago, and whose next one was too.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    const TRIES: usize = 100;
    for _ in 0..TRIES {
        let first = TcpListener::bind("127.0.0.1:0")?;
        let port = first.local_addr()?.port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no two free ports beside each other")
}

/// Brings in what has to come over a network, before there is none.
pub(crate) async fn fetch() -> anyhow::Result<()> {
    kafka::fetch()?;
    postgres::fetch().await
}
