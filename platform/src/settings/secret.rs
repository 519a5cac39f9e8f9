//! A value that is never printed, and the rule that it may also lie in a file.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A setting that prints as `***`; only [`Secret::expose`] gives it away.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `value` from being printed.
    pub fn new(value: impl Into<String>) -> Self {
        Secret(value.into())
    }

    /// The value itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(value: &str) -> Result<Self, Infallible> {
        Ok(Secret::new(value))
    }
}

/// Why a setting cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file that `X_FILE` names cannot be read.
    #[error("cannot read {path}, named by {variable}_FILE: {source}")]
    Unreadable {
        /// The setting.
        variable: String,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file holds nothing.
    #[error("{path}, named by {variable}_FILE, is empty")]
    Empty {
        /// The setting.
        variable: String,
        /// The file.
        path: PathBuf,
    },
}

/// The value, else the first line of the file; a set value wins, so that a deployment can be overridden by hand.
pub fn secret_or_file(
    variable: &str,
    value: Option<&Secret>,
    file: Option<&Path>,
) -> Result<Option<Secret>, SettingsError> {
    if let Some(value) = value {
        return Ok(Some(value.clone()));
    }
    let Some(path) = file else { return Ok(None) };
    let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Unreadable {
        variable: variable.to_owned(),
        path: path.to_owned(),
        source,
    })?;
    match text.lines().next().map(str::trim).filter(|line| !line.is_empty()) {
        Some(line) => Ok(Some(Secret::new(line))),
        None => Err(SettingsError::Empty { variable: variable.to_owned(), path: path.to_owned() }),
    }
}
