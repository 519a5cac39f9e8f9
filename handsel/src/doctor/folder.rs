//! The data folder: whose it is, who may look into it, whether it can be written, and its keys.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use nix::unistd::{AccessFlags, eaccess, geteuid};
use platform::data_dir::DataDir;

use super::{NotLooked, Patient, Seen};

/// What nobody but the owner may read.
const SECRETS: [&str; 4] = ["master.key", "admin.key", "running.json", "postgres/password"];

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    let folder = &patient.folder;
    let found = match fs::metadata(folder) {
        Ok(found) => found,
        Err(error) if patient.is_embedded() => {
            let next = "start `handsel up` once, or name the instance with --data-dir or DATABASE_URL";
            let why = "there is no instance to look at";
            seen.error("folder.missing", format!("the data folder {}: {error}", folder.display()), why, next);
            return Ok(());
        }
        // With servers of its own an instance needs the folder for keys at most, which may be set instead.
        Err(_) => return Ok(()),
    };
    owned(folder, &found, seen);
    writable(folder, seen);
    held(patient, seen);
    for name in SECRETS {
        closed(&folder.join(name), seen);
    }
    if let Err(reason) = patient.master() {
        let next = "restore the master key from a backup, or set HANDSEL_MASTER_KEY";
        let why = "without it no personal data can be opened and no role starts that needs it";
        seen.error("folder.master-key-unreadable", reason, why, next);
    }
    Ok(())
}

fn owned(folder: &Path, found: &fs::Metadata, seen: &mut Seen) {
    let me = geteuid().as_raw();
    if found.uid() != me {
        seen.error(
            "folder.other-owner",
            format!("{} belongs to user {}, this is user {me}", folder.display(), found.uid()),
            "the program refuses a data folder of another user",
            format!("run as user {}, give the folder to user {me}, or choose another with --data-dir", found.uid()),
        );
    }
}

fn writable(folder: &Path, seen: &mut Seen) {
    if let Err(errno) = eaccess(folder, AccessFlags::W_OK | AccessFlags::X_OK) {
        seen.error(
            "folder.not-writable",
            format!("{} cannot be written: {}", folder.display(), errno.desc()),
            "keys, the note of a running `up` and the embedded database lie there",
            format!("make it writable (`chmod u+rwx {}`), or mount the disk for writing", folder.display()),
        );
    }
}

/// The lock says that somebody has the folder; the note in it says that it is an `up`.
fn held(patient: &Patient, seen: &mut Seen) {
    let holder = match DataDir::holder(&patient.folder) {
        Ok(Some(holder)) => holder,
        Ok(None) => return,
        Err(error) => {
            let next = "see who owns `handsel.lock` in the data folder";
            seen.error("folder.lock-unreadable", error.to_string(), "nobody can tell whether an instance runs", next);
            return;
        }
    };
    if patient.running.is_none() {
        seen.warning(
            "folder.in-use",
            format!("process {holder} holds {} and says nothing of itself", patient.folder.display()),
            "it is still starting, a command that takes a while, or hangs; no other `up` starts meanwhile",
            format!("look at process {holder}: wait for it, or stop it"),
        );
    }
}

fn closed(secret: &Path, seen: &mut Seen) {
    let Ok(found) = fs::metadata(secret) else { return };
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        seen.error(
            "folder.secret-too-open",
            format!("{} may be read or written by others (mode {mode:03o})", secret.display()),
            "whoever reads it can open what it guards; the program does not close it again by itself",
            format!("`chmod 600 {}`, and change the secret if others use this machine", secret.display()),
        );
    }
}
