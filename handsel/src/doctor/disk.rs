//! Room on the disks of this machine.

use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::{NotLooked, Patient, Seen};

const MB: u64 = 1_000_000;

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    if patient.folder.exists() {
        room(&patient.folder, "the data folder", patient, seen);
    }
    Ok(())
}

/// Says when there is little room where a path lies.
pub(super) fn room(path: &Path, whose: &str, patient: &Patient, seen: &mut Seen) {
    let Ok(found) = statvfs(path) else { return };
    let free = found.blocks_available().saturating_mul(found.fragment_size()) / MB;
    let min = patient.limits.disk_free_min_mb;
    if free >= min {
        return;
    }
    seen.error(
        "disk.nearly-full",
        format!("{free} MB are free where {whose} lies ({}), less than {min} MB", path.display()),
        "on a full disk Postgres refuses every command (503 `store-unavailable`), or stops",
        "make room or a larger disk; nothing is lost, and commands go on by themselves when there is room",
    );
}
