//! The program under test: this binary under the name of the program.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Called by this name, the binary is the program.
pub(crate) const NAME: &str = "handsel";

/// Makes that name in a folder.
pub(crate) fn make(folder: &Path) -> anyhow::Result<PathBuf> {
    let link = folder.join(NAME);
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(std::env::current_exe()?, &link)
        .with_context(|| format!("making {}", link.display()))?;
    Ok(link)
}
