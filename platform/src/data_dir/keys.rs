//! The keys of a data folder: files of their own, 0600, written once.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::DataDirError;

const MASTER_KEY_FILE: &str = "master.key";
const ADMIN_KEY_FILE: &str = "admin.key";
const HEADS_KEY_FILE: &str = "heads.key";
const KEY_BYTES: usize = 32;

/// Wraps the keys of all subjects; whoever has it and the keys' database can open everything.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey([u8; KEY_BYTES]);

impl MasterKey {
    /// From 32 bytes in base64, as `HANDSEL_MASTER_KEY` carries them.
    pub fn from_base64(text: &str) -> Option<Self> {
        STANDARD.decode(text.trim()).ok()?.try_into().ok().map(MasterKey)
    }

    /// The bytes, for the key ring.
    pub fn bytes(&self) -> [u8; KEY_BYTES] {
        self.0
    }

    pub(super) fn read_or_make(folder: &Path) -> Result<Self, DataDirError> {
        let path = folder.join(MASTER_KEY_FILE);
        let text = read_or_make(&path)?;
        MasterKey::from_base64(&text).ok_or(DataDirError::BadKey { path, bytes: KEY_BYTES })
    }
}

/// What sub-commands on this machine send as bearer.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminKey(String);

impl AdminKey {
    /// Reads the key without taking the folder, beside a running program; `None` if nothing ever ran there.
    pub fn read(folder: &Path) -> Result<Option<Self>, DataDirError> {
        let path = folder.join(ADMIN_KEY_FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(AdminKey(text.trim().to_owned()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DataDirError::Unusable { path, source }),
        }
    }

    /// The text to send after `Bearer `.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn read_or_make(folder: &Path) -> Result<Self, DataDirError> {
        read_or_make(&folder.join(ADMIN_KEY_FILE)).map(|text| AdminKey(text.trim().to_owned()))
    }
}

/// What the heads of stores are signed with, as text; random, and in no database.
#[derive(Clone, PartialEq, Eq)]
pub struct HeadsKey(String);

impl HeadsKey {
    /// Reads the key without taking the folder; `None` if nothing was ever signed there.
    pub fn read(folder: &Path) -> Result<Option<Self>, DataDirError> {
        let path = folder.join(HEADS_KEY_FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(Self(text.trim().to_owned()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DataDirError::Unusable { path, source }),
        }
    }

    /// Makes folder and key if need be. Roles that share the folder may do so at once: all get the same.
    pub fn read_or_make(folder: &Path) -> Result<Self, DataDirError> {
        let folder = super::make_private(folder)?;
        read_or_make(&folder.join(HEADS_KEY_FILE)).map(|text| Self(text.trim().to_owned()))
    }

    /// 32 bytes in base64.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HeadsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeadsKey(***)")
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminKey(***)")
    }
}

/// A key is written whole under another name and then linked, so that a crash never leaves half of one, and of two
/// processes that make it at once the later one takes what the first one made.
fn read_or_make(path: &Path) -> Result<String, DataDirError> {
    let broken = |source| DataDirError::Unusable { path: path.to_owned(), source };
    match fs::read_to_string(path) {
        Ok(text) => return Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(broken(error)),
    }
    let text = STANDARD.encode(rand::random::<[u8; KEY_BYTES]>());
    let fresh = path.with_extension(format!("{:016x}.new", rand::random::<u64>()));
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh)?;
        writeln!(file, "{text}")?;
        file.sync_all()?;
        let linked = fs::hard_link(&fresh, path);
        fs::remove_file(&fresh)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all(),
        }
    };
    write().map_err(broken)?;
    fs::read_to_string(path).map_err(broken)
}
