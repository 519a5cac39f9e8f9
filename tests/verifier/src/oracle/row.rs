//! A row as both sides write it down: columns by name, values as text, what is long as its hash.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;

use anyhow::Context as _;
use chrono::{DateTime, NaiveDate, Utc};
use envelope::Timestamp;
use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgRow;
use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _};
use uuid::Uuid;

/// A longer value is kept as its hash, so that memory does not grow with payloads.
const TEXT_BYTES_MAX: usize = 64;

/// A row of a read model. `None` is null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(BTreeMap<Name, Option<String>>);

/// Oracles hold many rows, and say the names of their columns as they stand in the code.
type Name = Cow<'static, str>;

/// A value that is not null.
#[must_use]
pub fn cell(value: impl Display) -> Option<String> {
    let text = value.to_string();
    if text.len() <= TEXT_BYTES_MAX {
        return Some(text);
    }
    Some(format!("sha256:{}", platform::hexadecimal(&Sha256::digest(&text))))
}

impl Row {
    /// A row with these columns.
    #[must_use]
    pub fn new<const N: usize>(columns: [(&'static str, Option<String>); N]) -> Self {
        columns.into_iter().collect()
    }

    /// The same row as far as another one goes.
    #[must_use]
    pub fn only(&self, other: &Self) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(name, _)| other.0.contains_key(*name))
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect(),
        )
    }

    /// A row as the database has it.
    ///
    /// # Errors
    /// For a type of column that no read model has had so far.
    pub fn read(row: &PgRow) -> anyhow::Result<Self> {
        let mut columns = BTreeMap::new();
        for (index, column) in row.columns().iter().enumerate() {
            let value = value(row, index).with_context(|| format!("column `{}`", column.name()))?;
            columns.insert(Name::Owned(column.name().to_owned()), value);
        }
        Ok(Self(columns))
    }

    /// The values of its key.
    #[must_use]
    pub fn key(&self, columns: &[&str]) -> Vec<String> {
        columns.iter().map(|name| self.column(name).to_owned()).collect()
    }

    /// One value; empty if there is none.
    #[must_use]
    pub fn column(&self, name: &str) -> &str {
        self.0.get(name).and_then(Option::as_deref).unwrap_or_default()
    }

    /// The columns in which another row differs, each with both values; of personal ones only that they do.
    #[must_use]
    pub fn differences(&self, other: &Self, personal: &[&str]) -> String {
        let names = self.0.keys().chain(other.0.keys().filter(|name| !self.0.contains_key(*name)));
        let show = |row: &Self, name: &Name| match row.0.get(name) {
            None => "missing".to_owned(),
            Some(None) => "null".to_owned(),
            Some(Some(text)) => format!("`{text}`"),
        };
        let differing = names.filter(|name| self.0.get(*name) != other.0.get(*name));
        let described = differing.map(|name| match personal.contains(&&**name) {
            true => format!("{name}, which is personal, is another one than it should be"),
            false => format!("{name} is {} and should be {}", show(other, name), show(self, name)),
        });
        described.collect::<Vec<_>>().join("; ")
    }

    /// The row without what is personal.
    #[must_use]
    pub fn shown(&self, personal: &[&str]) -> String {
        let columns = self.0.iter().filter(|(name, _)| !personal.contains(&name.as_ref()));
        columns
            .map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("null")))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

fn value(row: &PgRow, index: usize) -> anyhow::Result<Option<String>> {
    if row.try_get_raw(index)?.is_null() {
        return Ok(None);
    }
    Ok(match row.column(index).type_info().name() {
        "TEXT" => cell(row.try_get::<&str, _>(index)?),
        "UUID" => cell(row.try_get::<Uuid, _>(index)?),
        "TEXT[]" => cell(serde_json::to_string(&row.try_get::<Vec<String>, _>(index)?)?),
        "INT8" => cell(row.try_get::<i64, _>(index)?),
        "BOOL" => cell(row.try_get::<bool, _>(index)?),
        "DATE" => cell(row.try_get::<NaiveDate, _>(index)?),
        "TIMESTAMPTZ" => cell(Timestamp::new(row.try_get::<DateTime<Utc>, _>(index)?)),
        "JSON" => cell(row.try_get_raw(index)?.as_str().map_err(anyhow::Error::from_boxed)?),
        other => anyhow::bail!("the verifier cannot compare values of type {other}"),
    })
}

impl FromIterator<(&'static str, Option<String>)> for Row {
    fn from_iter<I: IntoIterator<Item = (&'static str, Option<String>)>>(columns: I) -> Self {
        Self(columns.into_iter().map(|(name, value)| (Name::Borrowed(name), value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Row, cell};

    #[test]
    fn what_differs_is_named_with_both_values_and_what_is_personal_without() {
        let due = Row::new([("id", cell(1)), ("name", cell("Ana")), ("units", cell(5)), ("day", None)]);
        let found = Row::new([("id", cell(1)), ("name", cell("Bob")), ("units", cell(6)), ("more", cell(true))]);
        let said = due.differences(&found, &["name"]);
        for part in
            ["units is `6` and should be `5`", "day is missing and should be null", "more is `true` and should be"]
        {
            assert!(said.contains(part), "{part} in {said}");
        }
        assert!(said.contains("name, which is personal") && !said.contains("Ana") && !said.contains("Bob"), "{said}");
        assert_eq!(due.shown(&["name"]), "day=null id=1 units=5");
        assert_eq!(due.key(&["units", "id"]), ["5", "1"]);
    }

    #[test]
    fn long_values_are_told_apart_by_their_hash() {
        let [one, other] = ["a", "b"].map(|letter| cell(letter.repeat(65)));
        assert_ne!(one, other);
        assert_eq!(one.map(|text| text.len()), Some("sha256:".len() + 64));
        assert_eq!(cell("a".repeat(64)), Some("a".repeat(64)));
    }
}
