//! `pages`: the files that follow from the program itself: the catalogue of events, the tables, the settings, and what
//! monitoring reads.

mod database;
mod events;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::{call, root};

/// Prints files that the program knows, as an object from path to text.
const PAGES: &str = "pages";
/// Prints the tables of a migrated database.
const TABLES: &str = "tables";

pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    let check = match words {
        [] => false,
        [word] if word == "--check" => true,
        _ => bail!("it takes nothing or --check"),
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Built as a part of the whole workspace: for one package alone, cargo would build most of its dependencies again.
    call(Command::new(cargo).args(["build", "--quiet", "--workspace", "--example", PAGES, "--example", TABLES]))?;
    let mut wanted: BTreeMap<String, String> = serde_json::from_str(&said_by(PAGES)?).context("reading the pages")?;
    wanted.insert("docs/events.md".to_owned(), events::page()?);
    wanted.insert("docs/database.md".to_owned(), database::page(&said_by(TABLES)?)?);
    let mut differing = Vec::new();
    for (path, text) in &wanted {
        let place = root().join(path);
        if fs::read_to_string(&place).ok().as_ref() == Some(text) {
            continue;
        }
        differing.push(path.as_str());
        if !check {
            fs::create_dir_all(place.parent().unwrap_or(root()))?;
            fs::write(&place, text).with_context(|| format!("writing {path}"))?;
            eprintln!("{path}: written");
        }
    }
    ensure!(
        !check || differing.is_empty(),
        "run `cargo xtask pages` and commit what it writes: {}",
        differing.join(", ")
    );
    Ok(())
}

/// What an example prints.
fn said_by(example: &str) -> anyhow::Result<String> {
    let own = std::env::current_exe().context("looking for the build output")?;
    let path = own.parent().context("looking for the build output")?.join("examples").join(example);
    let output = Command::new(&path).output().with_context(|| format!("could not start {}", path.display()))?;
    ensure!(
        output.status.success(),
        "{example} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).with_context(|| format!("what {example} prints is no text"))
}
