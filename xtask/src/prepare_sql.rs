//! `prepare-sql`: what the compiler must know about the database to check SQL without one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::{call, root};

/// The macros that ask for it.
const MACROS: [&str; 4] = ["query!(", "query_as!(", "query_scalar!(", "query_as_unchecked!("];
/// Migrates a database and runs a command beside it; an example of the crate whose migrations are the last ones.
const MIGRATED: &str = "migrated";

pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    let check = match words {
        [] => false,
        [word] if word == "--check" => true,
        _ => bail!("it takes nothing or --check"),
    };
    let sources = checked_sources(root())?;
    let kept = root().join(".sqlx");
    if sources.is_empty() {
        ensure!(!kept.exists(), ".sqlx is there, but no source has a checked statement: remove it");
        eprintln!("no source has a checked statement; .sqlx is not needed");
        return Ok(());
    }
    let found = describe(&sources)?;
    let before = entries(&kept)?;
    if check {
        ensure!(found == before, ".sqlx differs from the sources: run `cargo xtask prepare-sql` and commit it");
        eprintln!("{} checked statements, as in .sqlx", found.len());
        return Ok(());
    }
    if kept.exists() {
        fs::remove_dir_all(&kept).context("emptying .sqlx")?;
    }
    fs::create_dir_all(&kept)?;
    for (name, text) in &found {
        fs::write(kept.join(name), text)?;
    }
    eprintln!("{} checked statements written to .sqlx", found.len());
    Ok(())
}

/// Compiles every source with a checked statement beside a migrated database.
fn describe(sources: &[PathBuf]) -> anyhow::Result<BTreeMap<String, String>> {
    let cargo = || std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Built as a part of the whole workspace: for one package alone, cargo would build most of its dependencies again.
    call(Command::new(cargo()).args(["build", "--quiet", "--workspace", "--example", MIGRATED]))?;
    let own = std::env::current_exe().context("looking for the build output")?;
    let migrated = own.parent().context("looking for the build output")?.join("examples").join(MIGRATED);
    let folder = std::env::temp_dir().join(format!("handsel-sqlx-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    // The macros write what they learn when this variable is set; touched files are compiled again.
    for source in sources {
        fs::File::options().append(true).open(source)?.set_modified(modified_now(&folder)?)?;
    }
    let checked = call(
        Command::new(migrated)
            .arg(cargo())
            .args(["check", "--quiet", "--workspace", "--lib"])
            .env("SQLX_OFFLINE", "false")
            .env("SQLX_OFFLINE_DIR", &folder),
    );
    let found = checked.and_then(|()| entries(&folder));
    fs::remove_dir_all(&folder)?;
    found
}

/// The file system's own now: that of a file that was just made.
fn modified_now(folder: &Path) -> anyhow::Result<std::time::SystemTime> {
    let path = folder.join("now");
    fs::write(&path, "")?;
    let now = fs::metadata(&path)?.modified()?;
    fs::remove_file(path)?;
    Ok(now)
}

fn entries(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    if !folder.exists() {
        return Ok(found);
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("query-") {
            found.insert(name, fs::read_to_string(entry.path())?);
        }
    }
    Ok(found)
}

/// Rust files outside the build output that use one of the macros; this one only names them.
fn checked_sources(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && !matches!(name.as_str(), "target" | "xtask") {
                found.extend(checked_sources(&path)?);
            }
        } else if name.ends_with(".rs") && MACROS.iter().any(|used| uses(&path, used)) {
            found.push(path);
        }
    }
    Ok(found)
}

fn uses(path: &Path, name: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.contains(name))
}
