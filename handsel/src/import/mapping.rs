//! Which column fills which target: as it was said with `--map` and `--set`, else as the export is known, else by name.

mod words;

use std::collections::BTreeMap;

pub use words::Words;

use super::presets::{self, Preset};
use super::table::Row;
use super::targets::Need;
use super::{Kind, Table, Target};

/// Every target that is filled, and by what.
#[derive(Clone, Debug)]
pub struct Mapping {
    kind: Kind,
    filled: BTreeMap<&'static str, Filled>,
    /// The export whose columns were known, if one was.
    preset: Option<&'static str>,
    date_format: Option<String>,
}

/// What fills a target.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Filled {
    by: By,
    because: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum By {
    Columns(Vec<String>),
    Always(String),
}

impl Mapping {
    /// Finds what fills each target of a kind in a file.
    ///
    /// # Errors
    /// If a column that was named is not there, is there twice, or a target that stands in for another is filled too.
    pub fn find(kind: Kind, table: &Table, words: &Words) -> anyhow::Result<Self> {
        let preset = presets::of(kind, &table.columns);
        let mut filled = BTreeMap::new();
        for target in kind.targets() {
            let named = |name: &str| table.columns.iter().find(|column| column.eq_ignore_ascii_case(name)).cloned();
            let own: Vec<String> = named(target.name).into_iter().collect();
            let of_preset: Vec<String> = preset
                .and_then(|preset| preset.columns.iter().find(|(name, _)| *name == target.name))
                .map(|(_, columns)| columns.split('+').filter_map(named).collect())
                .unwrap_or_default();
            let found = if let Some(value) = words.set.get(target.name) {
                Some((By::Always(value.clone()), "--set"))
            } else if let Some(columns) = words.map.get(target.name) {
                columns.iter().try_for_each(|column| one_of(table, column))?;
                Some((By::Columns(columns.clone()), "--map"))
            } else if !of_preset.is_empty() {
                Some((By::Columns(of_preset), preset.map_or("", |preset| preset.name)))
            } else {
                // A known export may have a column of that name which means something else.
                (preset.is_none() && !own.is_empty()).then_some((By::Columns(own), "its name"))
            };
            if let Some((by, because)) = found {
                filled.insert(target.name, Filled { by, because });
            }
        }
        let date_format = preset.and_then(|preset: &Preset| preset.date_format).map(str::to_owned);
        let mut mapping = Self { kind, filled, preset: preset.map(|preset| preset.name), date_format };
        mapping.settle(words)?;
        Ok(mapping)
    }

    /// Of targets that stand in for each other the one stays that somebody asked for.
    fn settle(&mut self, words: &Words) -> anyhow::Result<()> {
        let asked = |name: &str| words.set.contains_key(name) || words.map.contains_key(name);
        for target in self.kind.targets() {
            let Need::Unless(others) = target.need else { continue };
            for other in others {
                let both = self.filled.contains_key(target.name) && self.filled.contains_key(other);
                anyhow::ensure!(
                    !(both && asked(target.name) && asked(other)),
                    "`{}` and `{other}` say the same in two ways; map one of them",
                    target.name
                );
                if both {
                    self.filled.remove(if asked(other) { target.name } else { other });
                }
            }
        }
        Ok(())
    }

    /// What a target says in a row.
    #[must_use]
    pub fn cell(&self, row: &Row, target: &str) -> Option<String> {
        match &self.filled.get(target)?.by {
            By::Always(value) => Some(value.clone()),
            By::Columns(columns) => {
                let cells: Vec<&str> = columns.iter().filter_map(|column| row.cell(column)).collect();
                let joint = self.kind.target(target).map_or(" ", |target| target.joint);
                (!cells.is_empty()).then(|| cells.join(joint))
            }
        }
    }

    /// Whether anything fills a target.
    #[must_use]
    pub fn fills(&self, target: &str) -> bool {
        self.filled.contains_key(target)
    }

    /// How the export writes dates, if that is known.
    #[must_use]
    pub fn date_format(&self) -> Option<&str> {
        self.date_format.as_deref()
    }

    /// Whose export it is, if its columns are known.
    #[must_use]
    pub fn preset(&self) -> Option<&'static str> {
        self.preset
    }

    /// The targets without which nothing can be imported and that nothing fills.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static Target> {
        let is_missing = |target: &&Target| match target.need {
            Need::Always => !self.fills(target.name),
            Need::Unless(others) => !self.fills(target.name) && !others.iter().any(|other| self.fills(other)),
            Need::Never => false,
        };
        let all = self.kind.targets().iter().filter(is_missing);
        // Of those that stand in for each other, the first one is asked for.
        let mut asked: Vec<&'static Target> = Vec::new();
        for target in all {
            let Need::Unless(others) = target.need else {
                asked.push(target);
                continue;
            };
            if !asked.iter().any(|before| others.contains(&before.name)) {
                asked.push(target);
            }
        }
        asked
    }

    /// A row for each target: its name, what fills it, and because of what.
    #[must_use]
    pub fn shown(&self) -> Vec<Vec<String>> {
        let row = |target: &Target| {
            let (by, because) = match self.filled.get(target.name) {
                Some(Filled { by: By::Always(value), because }) => (format!("always `{value}`"), *because),
                Some(Filled { by: By::Columns(columns), because }) => (columns.join(" + "), *because),
                None => ("-".to_owned(), ""),
            };
            vec![target.name.to_owned(), by, because.to_owned(), target.about.to_owned()]
        };
        self.kind.targets().iter().map(row).collect()
    }

    /// The columns that fill nothing.
    #[must_use]
    pub fn left_out(&self, table: &Table) -> Vec<String> {
        let uses = |column: &&String| {
            let used = |filled: &Filled| matches!(&filled.by, By::Columns(columns) if columns.contains(column));
            !self.filled.values().any(used)
        };
        table.columns.iter().filter(uses).cloned().collect()
    }
}

/// That a column that was named is there, once.
fn one_of(table: &Table, column: &str) -> anyhow::Result<()> {
    match table.columns.iter().filter(|one| *one == column).count() {
        1 => Ok(()),
        0 => anyhow::bail!("the file has no column `{column}`; it has: {}", table.columns.join(", ")),
        count => anyhow::bail!("the file has {count} columns `{column}`; give them different names in its header"),
    }
}

#[cfg(test)]
mod tests;
