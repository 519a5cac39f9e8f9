//! What is said with `--map`, `--map-file` and `--set`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;

use crate::import::Kind;

/// What was said about a kind of file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The columns of targets.
    pub map: BTreeMap<String, Vec<String>>,
    /// What targets say in every row.
    pub set: BTreeMap<String, String>,
}

impl Words {
    /// Reads all of them.
    ///
    /// # Errors
    /// Which part cannot be understood, and what to write instead.
    pub fn read(kind: Kind, maps: &[String], file: Option<&Path>, sets: &[String]) -> anyhow::Result<Self> {
        let mut words = Self::default();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            for (index, line) in text.lines().enumerate() {
                let line = line.trim();
                if !line.is_empty() && !line.starts_with('#') {
                    let here = || format!("{}, line {}", path.display(), index + 1);
                    words.map(kind, line).with_context(here)?;
                }
            }
        }
        let mut typed = Self::default();
        for text in maps {
            typed.map(kind, text).with_context(|| format!("--map '{text}'"))?;
        }
        for text in sets {
            typed.set(kind, text).with_context(|| format!("--set '{text}'"))?;
        }
        // What is typed wins over the file.
        words.map.retain(|target, _| !typed.set.contains_key(target));
        words.map.extend(typed.map);
        words.set = typed.set;
        if let Some(both) = words.set.keys().find(|target| words.map.contains_key(*target)) {
            anyhow::bail!("`{both}` is given with --map and with --set; one of them is enough");
        }
        Ok(words)
    }

    fn map(&mut self, kind: Kind, text: &str) -> anyhow::Result<()> {
        for pair in split(text, ',')? {
            let mut sides = split(&pair, '=')?;
            let columns = sides.pop().unwrap_or_default();
            let Some(target) = sides.pop().filter(|_| sides.is_empty()) else {
                anyhow::bail!(
                    "`{}` is no pair; write target=column, such as {}, with quotes around a column that has \
                     , = + or \" in its name",
                    pair.trim(),
                    example(kind)
                );
            };
            let target = known(kind, &target)?;
            let columns: Vec<String> = split(&columns, '+')?.iter().map(|column| unquoted(column)).collect();
            anyhow::ensure!(
                columns.iter().all(|column| !column.is_empty()),
                "`{target}` has no column; write {target}=COLUMN, or leave it out"
            );
            let twice = self.map.insert(target.clone(), columns).is_some();
            anyhow::ensure!(!twice, "`{target}` is mapped twice; to join columns write {target}=FIRST+SECOND");
        }
        Ok(())
    }

    fn set(&mut self, kind: Kind, text: &str) -> anyhow::Result<()> {
        let (target, value) = text.split_once('=').context("write target=value, such as currency=EUR")?;
        let target = known(kind, target)?;
        let value = value.trim();
        anyhow::ensure!(target != "id", "`id` differs from row to row; map it to a column: --map id=COLUMN");
        anyhow::ensure!(!value.is_empty(), "`{target}` has no value; write {target}=VALUE, or leave it out");
        let twice = self.set.insert(target.clone(), value.to_owned()).is_some();
        anyhow::ensure!(!twice, "`{target}` is set twice");
        Ok(())
    }
}

fn known(kind: Kind, target: &str) -> anyhow::Result<String> {
    let target = unquoted(target);
    if kind.target(&target).is_some() {
        return Ok(target);
    }
    let all: Vec<&str> = kind.targets().iter().map(|target| target.name).collect();
    anyhow::bail!("{kind} have no `{target}`; there are: {}", all.join(", "))
}

const fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::Products => "title=Name",
        Kind::Customers => "name=\"Full name\"",
        Kind::Orders => "date=Created",
    }
}

/// The parts between separators, without those in quotes.
fn split(text: &str, separator: char) -> anyhow::Result<Vec<String>> {
    let (mut parts, mut quoted) = (vec![String::new()], false);
    for one in text.chars() {
        quoted ^= one == '"';
        if one == separator && !quoted {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(one);
        }
    }
    anyhow::ensure!(!quoted, "a quote is opened and not closed; write \"…\" around a column, and \"\" for one quote");
    Ok(parts)
}

/// A name without the quotes around it; two of them within stand for one.
fn unquoted(text: &str) -> String {
    let text = text.trim();
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => text.to_owned(),
    }
}
