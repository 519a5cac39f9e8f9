//! The Postgres and the Kafka under the system, as processes that can be killed.

pub(crate) mod kafka;
pub(crate) mod postgres;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use anyhow::Context as _;

pub(crate) use self::kafka::Kafka;
pub(crate) use self::postgres::Postgres;

/// Memory as a file system, where the machine has it, and how much of it must be free.
const MEMORY: &str = "/dev/shm";
const MEMORY_BYTES_MIN: u64 = 8 << 30;
/// Where folders are made; unset: where temporary files are.
static BASE: OnceLock<PathBuf> = OnceLock::new();

/// From now on folders are made in memory, if there is room: several servers that wait for one disk wait for each
/// other. What the rig does to them they survive there as on a disk; only speed is published from a disk.
pub(crate) fn in_memory() {
    let free = nix::sys::statvfs::statvfs(MEMORY).map(|stat| stat.blocks_available() * stat.fragment_size());
    if free.is_ok_and(|free| free >= MEMORY_BYTES_MIN) {
        let _ = BASE.set(PathBuf::from(MEMORY));
    }
}

/// A folder that goes with this value. Everybody may enter it, because Postgres runs as another user when this one is
/// root.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> anyhow::Result<Self> {
        // Another one each time: servers that are started again must not find what the first ones left.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let base = BASE.get().cloned().unwrap_or_else(std::env::temp_dir);
        let path = base.join(format!("handsel-rig-{}-{number}-{name}", std::process::id()));
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

/// A port that was free a moment ago, and whose next one was too; no other one is given twice. They lie below those
/// that a connection may take by itself while a process that had one is away.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    const FIRST: u16 = 12_000;
    const LAST: u16 = 32_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Another run on this machine begins elsewhere.
    let begin = u16::try_from(std::process::id() % 97).unwrap_or_default() * 200;
    for _ in 0..(LAST - FIRST) / 2 {
        let port = FIRST + (begin + 2 * NEXT.fetch_add(1, Ordering::Relaxed)) % (LAST - FIRST);
        let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port) && is_free(port + 1) {
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
