//! Who Postgres runs as: we ourselves, or, because it refuses to be root, another user who owns its folder.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tokio::process::Command;

use super::EmbeddedError;

/// The user `nobody`, where root's data folder names no other.
const NOBODY: u32 = 65_534;

/// A user and group other than ours, if Postgres needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// As root, whoever owns the cluster already, else `nobody`; as anybody else, that user.
pub(super) fn of_cluster(data_dir: &Path) -> Result<Option<Owner>, EmbeddedError> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let owner = match fs::metadata(data_dir.join("postgres")) {
        Ok(found) if found.uid() != 0 => Owner { uid: found.uid(), gid: found.gid() },
        _ => Owner { uid: NOBODY, gid: NOBODY },
    };
    let data_dir = data_dir.canonicalize().map_err(EmbeddedError::files("open", data_dir))?;
    enterable(&data_dir, owner)?;
    Ok(Some(owner))
}

/// Checks that the owner may pass through `folder` and every folder above it.
pub(super) fn enterable(folder: &Path, owner: Owner) -> Result<(), EmbeddedError> {
    let above: Vec<_> = folder.ancestors().collect();
    for folder in above.into_iter().rev() {
        let found = fs::metadata(folder).map_err(EmbeddedError::files("open", folder))?;
        if !may_enter(&found, owner) {
            return Err(EmbeddedError::NotEnterable { folder: folder.to_owned(), uid: owner.uid });
        }
    }
    Ok(())
}

fn may_enter(folder: &Metadata, owner: Owner) -> bool {
    let bit = match (folder.uid() == owner.uid, folder.gid() == owner.gid) {
        (true, _) => 0o100,
        (false, true) => 0o010,
        (false, false) => 0o001,
    };
    folder.mode() & bit != 0
}

/// A command that runs as the owner, knows nothing of our environment and outlives Ctrl-C on our terminal.
pub(super) fn command(program: &Path, owner: Option<Owner>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").current_dir("/").process_group(0).stdin(std::process::Stdio::null());
    if let Some(owner) = owner {
        command.uid(owner.uid).gid(owner.gid);
    }
    command
}

/// Gives a path to the owner.
pub(super) fn give(path: &Path, owner: Option<Owner>) -> Result<(), EmbeddedError> {
    let Some(owner) = owner else { return Ok(()) };
    std::os::unix::fs::chown(path, Some(owner.uid), Some(owner.gid)).map_err(EmbeddedError::files("give away", path))
}
