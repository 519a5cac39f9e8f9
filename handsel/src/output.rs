//! How commands answer on standard output. A reader that went away (`| head`) ends the command quietly.

use std::fmt::Display;
use std::io::{ErrorKind, Write as _, stdout};

/// Prints one line.
///
/// # Errors
/// If standard output cannot be written, other than because nobody reads it any more.
pub fn line(text: impl Display) -> anyhow::Result<()> {
    match writeln!(stdout(), "{text}") {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(error.into()),
    }
}

/// Prints rows in columns as wide as their widest cell. The first row is the heading.
///
/// # Errors
/// As [`line`].
pub fn table(rows: &[Vec<String>]) -> anyhow::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        line(cells.join("  ").trim_end())?;
    }
    Ok(())
}
