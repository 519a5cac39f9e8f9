//! A file as rows of named cells: CSV, or JSON Lines. It is read line by line; what cannot be a row has a reason.

mod csv;
mod json_lines;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;

/// A longer line, or a row of more bytes, is reported and skipped, so that no file can fill the memory.
const LINE_BYTES_MAX: usize = 1024 * 1024;
/// No export has more columns.
const COLUMNS_MAX: usize = 1_000;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A header, then a row per line; cells may be quoted and then hold line ends.
    Csv,
    /// An object of JSON per line.
    Jsonl,
}

/// A file that was looked at.
#[derive(Clone, Debug)]
pub struct Table {
    path: PathBuf,
    format: Format,
    delimiter: u8,
    /// The names of its columns.
    pub columns: Vec<String>,
}

/// One row: a column without a cell, or with a blank one, has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row(BTreeMap<String, String>);

/// A row and the number of its first line, or why it is none.
pub(super) type Numbered = (u64, Result<Row, String>);

impl Row {
    /// What a column says here, without the blanks around it.
    #[must_use]
    pub fn cell(&self, column: &str) -> Option<&str> {
        self.0.get(column).map(String::as_str)
    }

    fn put(&mut self, column: &str, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            self.0.insert(column.to_owned(), text.to_owned());
        }
    }
}

impl FromIterator<(String, String)> for Row {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(cells: T) -> Self {
        let mut row = Self::default();
        cells.into_iter().for_each(|(column, text)| row.put(&column, &text));
        row
    }
}

impl Table {
    /// Looks at the file: its form and its columns.
    ///
    /// # Errors
    /// If it cannot be read, has no header, or its form is not known.
    pub fn open(path: &Path, format: Option<Format>, delimiter: Option<char>) -> anyhow::Result<Self> {
        let format = match format {
            Some(format) => format,
            None => by_extension(path)?,
        };
        let mut table = Self { path: path.to_owned(), format, delimiter: b',', columns: Vec::new() };
        match format {
            Format::Csv => table.look_at_header(delimiter)?,
            Format::Jsonl => {
                anyhow::ensure!(delimiter.is_none(), "--delimiter is for CSV; JSON Lines have none");
                table.columns = table.keys()?;
            }
        }
        let shown = path.display();
        anyhow::ensure!(!table.columns.is_empty(), "{shown} is empty: there is nothing to import");
        anyhow::ensure!(table.columns.len() <= COLUMNS_MAX, "{shown} has more than {COLUMNS_MAX} columns");
        Ok(table)
    }

    /// Every row with the number of its first line, from 1; the header and empty lines are counted and left out.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn rows(&self) -> anyhow::Result<Box<dyn Iterator<Item = io::Result<Numbered>> + Send>> {
        let lines = self.lines()?;
        Ok(match self.format {
            Format::Csv => Box::new(csv::Rows::new(lines, self.delimiter, self.columns.clone())),
            Format::Jsonl => Box::new(json_lines::rows(lines)),
        })
    }

    fn lines(&self) -> anyhow::Result<Lines<BufReader<File>>> {
        let file = File::open(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(Lines::new(BufReader::with_capacity(64 * 1024, file)))
    }

    fn look_at_header(&mut self, delimiter: Option<char>) -> anyhow::Result<()> {
        let header = self.lines()?.find(|line| !matches!(line, Ok((_, Ok(text))) if text.trim().is_empty()));
        let Some(header) = header.transpose()? else { return Ok(()) };
        let (number, text) = (header.0, header.1.map_err(|why| anyhow::anyhow!("line {}: {why}", header.0))?);
        self.delimiter = match delimiter {
            Some(one) => u8::try_from(one).ok().filter(u8::is_ascii).with_context(|| {
                format!("`{one}` cannot separate cells; write one ASCII character, such as --delimiter ';'")
            })?,
            None => csv::delimiter_of(&text),
        };
        let cells = csv::cells(&text, self.delimiter).map_err(|why| anyhow::anyhow!("line {number}: {why}"))?;
        let cells = cells.with_context(|| format!("line {number}: a quote of the header is not closed"))?;
        self.columns = cells.iter().map(|cell| cell.trim().to_owned()).collect();
        Ok(())
    }

    /// All keys of all objects, in the order in which they first come.
    fn keys(&self) -> anyhow::Result<Vec<String>> {
        let mut columns: Vec<String> = Vec::new();
        for row in self.rows()? {
            let Ok(row) = row?.1 else { continue };
            for key in row.0.into_keys() {
                if !columns.contains(&key) && columns.len() <= COLUMNS_MAX {
                    columns.push(key);
                }
            }
        }
        Ok(columns)
    }
}

fn by_extension(path: &Path) -> anyhow::Result<Format> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("csv" | "tsv") => Ok(Format::Csv),
        Some("jsonl" | "ndjson") => Ok(Format::Jsonl),
        _ => anyhow::bail!(
            "{} does not end in .csv, .tsv, .jsonl or .ndjson: say how it is written with --format csv or \
             --format jsonl",
            path.display()
        ),
    }
}

/// Lines with their numbers, from 1, without their ends.
struct Lines<R> {
    reader: R,
    number: u64,
}

/// A line, or why it is no text.
type Line = (u64, Result<String, String>);

impl<R: io::BufRead> Lines<R> {
    fn new(reader: R) -> Self {
        Self { reader, number: 0 }
    }

    /// The bytes of the next line, cut behind the longest one allowed; `None` at the end.
    fn next_bytes(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let max = LINE_BYTES_MAX as u64 + 1;
        if self.reader.by_ref().take(max).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let mut rest = Vec::new();
        while line.len() > LINE_BYTES_MAX && line.last() != Some(&b'\n') && rest.last() != Some(&b'\n') {
            rest.clear();
            if self.reader.by_ref().take(max).read_until(b'\n', &mut rest)? == 0 {
                break;
            }
        }
        Ok(Some(line))
    }
}

impl<R: io::BufRead> Iterator for Lines<R> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = match self.next_bytes() {
            Ok(bytes) => bytes?,
            Err(error) => return Some(Err(error)),
        };
        self.number += 1;
        if bytes.len() > LINE_BYTES_MAX {
            return Some(Ok((self.number, Err(format!("longer than {LINE_BYTES_MAX} bytes")))));
        }
        while matches!(bytes.last(), Some(b'\n' | b'\r')) {
            bytes.pop();
        }
        let text = String::from_utf8(bytes).map_err(|_| "not UTF-8; save the file as UTF-8".to_owned());
        // Some programs mark a file as UTF-8 with three bytes that are no part of the first column's name.
        let text =
            text.map(|text| if self.number == 1 { text.trim_start_matches('\u{feff}').to_owned() } else { text });
        Some(Ok((self.number, text)))
    }
}

#[cfg(test)]
mod tests;
