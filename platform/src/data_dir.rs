//! The folder that holds what must survive, guarded by a lock of ours and closed to other users.

mod keys;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

pub use keys::{AdminKey, HeadsKey, MasterKey};

const LOCK_FILE: &str = "handsel.lock";

/// A data folder that this process alone uses, for as long as the value lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: Flock<File>,
}

impl DataDir {
    /// Makes the folder if need be, checks that nobody else can look into it, and locks it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let broken = |source| DataDirError::Unusable { path: path.to_owned(), source };
        let path = make_private(path)?;
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join(LOCK_FILE))
            .map_err(broken)?;
        file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return note_holder(lock).map(|lock| DataDir { path, _lock: lock }).map_err(broken),
            Err((file, nix::errno::Errno::EWOULDBLOCK)) => file,
            Err((_, errno)) => return Err(broken(errno.into())),
        };
        drop(file);
        let holder = fs::read_to_string(path.join(LOCK_FILE)).unwrap_or_default().trim().to_owned();
        Err(DataDirError::InUse { path, holder })
    }

    /// Which process holds the folder, `None` if nobody does. Nothing is made, changed or kept.
    ///
    /// # Errors
    /// If the lock file is there and cannot be opened.
    pub fn holder(path: &Path) -> io::Result<Option<String>> {
        let path = path.join(LOCK_FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(_) => Ok(None),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(Some(fs::read_to_string(&path)?.trim().to_owned())),
            Err((_, errno)) => Err(errno.into()),
        }
    }

    /// The folder itself, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key that wraps all other keys: made at the first call, read ever after.
    pub fn master_key(&self) -> Result<MasterKey, DataDirError> {
        MasterKey::read_or_make(&self.path)
    }

    /// The key by which sub-commands on this machine prove who they are: made at the first call.
    pub fn admin_key(&self) -> Result<AdminKey, DataDirError> {
        AdminKey::read_or_make(&self.path)
    }
}

/// Why the data folder cannot be used; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it.
    #[error(
        "the data folder {path} is in use by process {holder}: stop that one, or choose another folder with --data-dir"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The process id that holds it.
        holder: String,
    },
    /// It cannot be made, read or written.
    #[error("cannot use the data folder {path}: {source}; choose another with --data-dir")]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It belongs to another user.
    #[error("the data folder {path} belongs to user {owner}: run as that user, or choose another with --data-dir")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Its owner's number.
        owner: u32,
    },
    /// A key file does not hold a key.
    #[error("{path} does not hold a key of {bytes} bytes: restore it from a backup; what it sealed is lost without it")]
    BadKey {
        /// The file.
        path: PathBuf,
        /// How long a key is.
        bytes: usize,
    },
}

/// Files go in with 0600; the folder itself is 0700, or 0711 for root, whose database runs as another user below it.
fn make_private(path: &Path) -> Result<PathBuf, DataDirError> {
    let broken = |source| DataDirError::Unusable { path: path.to_owned(), source };
    let me = nix::unistd::geteuid();
    let mode = if me.is_root() { 0o711 } else { 0o700 };
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        fs::create_dir_all(above).map_err(broken)?;
    }
    match fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(broken(error)),
    }
    let path = path.canonicalize().map_err(broken)?;
    let found = fs::metadata(&path).map_err(broken)?;
    if !found.is_dir() {
        return Err(broken(io::ErrorKind::NotADirectory.into()));
    }
    if found.uid() != me.as_raw() {
        return Err(DataDirError::Foreign { path, owner: found.uid() });
    }
    if found.permissions().mode() & 0o777 != mode {
        // Also after umask, and where the folder was made by hand.
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(broken)?;
    }
    Ok(path)
}

fn note_holder(mut lock: Flock<File>) -> io::Result<Flock<File>> {
    lock.set_len(0)?;
    lock.write_all(std::process::id().to_string().as_bytes())?;
    Ok(lock)
}
