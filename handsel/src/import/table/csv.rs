//! CSV as RFC 4180 has it: cells between delimiters, quoted if they hold one; a quote within is written twice.

use std::collections::VecDeque;
use std::io;

use super::{LINE_BYTES_MAX, Line, Numbered, Row};

/// A row that goes on for more lines has a quote that was forgotten.
const ROW_LINES_MAX: usize = 10_000;
const DELIMITERS: [u8; 3] = *b",;\t";

/// The delimiter that a header has most of; a comma if it has none.
pub(super) fn delimiter_of(header: &str) -> u8 {
    let count = |delimiter: u8| cells(header, delimiter).ok().flatten().map_or(0, |cells| cells.len());
    // The first of those that have the most.
    DELIMITERS.into_iter().rev().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

/// The cells of a text; `None` if a quote is not closed at its end.
pub(super) fn cells(text: &str, delimiter: u8) -> Result<Option<Vec<String>>, String> {
    let delimiter = char::from(delimiter);
    let (mut cells, mut rest) = (Vec::new(), text);
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let Some((cell, after)) = rest.split_once(delimiter) else {
                cells.push(rest.to_owned());
                return Ok(Some(cells));
            };
            cells.push(cell.to_owned());
            rest = after;
            continue;
        };
        let mut cell = String::new();
        let mut behind = quoted;
        let after = loop {
            let Some((part, after)) = behind.split_once('"') else { return Ok(None) };
            cell.push_str(part);
            match after.strip_prefix('"') {
                Some(more) => {
                    cell.push('"');
                    behind = more;
                }
                None => break after,
            }
        };
        cells.push(cell);
        if after.is_empty() {
            return Ok(Some(cells));
        }
        rest = after.strip_prefix(delimiter).ok_or_else(|| {
            format!("cell {} goes on after its closing quote; a quote within a cell is written twice", cells.len())
        })?;
    }
}

/// The rows below the header.
pub(super) struct Rows<L> {
    lines: L,
    delimiter: u8,
    columns: Vec<String>,
    /// Lines that were looked at for the end of a quote which is not there.
    again: VecDeque<Line>,
    header_seen: bool,
}

impl<L: Iterator<Item = io::Result<Line>>> Rows<L> {
    pub(super) fn new(lines: L, delimiter: u8, columns: Vec<String>) -> Self {
        Self { lines, delimiter, columns, again: VecDeque::new(), header_seen: false }
    }

    fn line(&mut self) -> Option<io::Result<Line>> {
        self.again.pop_front().map(Ok).or_else(|| self.lines.next())
    }

    /// Reads on until the quotes of a row are closed. If they are not, all lines but the first are read again.
    fn cells(&mut self, first: String) -> io::Result<Result<Vec<String>, String>> {
        let (mut text, mut taken) = (first, VecDeque::new());
        let why = loop {
            match cells(&text, self.delimiter) {
                Ok(Some(cells)) => return Ok(Ok(cells)),
                Ok(None) if taken.len() < ROW_LINES_MAX && text.len() <= LINE_BYTES_MAX => {}
                Ok(None) => break "a quote is opened here and not closed".to_owned(),
                Err(why) => break why,
            }
            match self.line().transpose()? {
                None => break "a quote is opened here and not closed".to_owned(),
                Some((number, Err(why))) => {
                    taken.push_back((number, Err(why)));
                    break "a quote is opened here and not closed".to_owned();
                }
                Some((number, Ok(more))) => {
                    text = format!("{text}\n{more}");
                    taken.push_back((number, Ok(more)));
                }
            }
        };
        taken.append(&mut self.again);
        self.again = taken;
        Ok(Err(why))
    }

    fn row(&self, cells: Vec<String>) -> Result<Row, String> {
        if cells.len() != self.columns.len() {
            return Err(format!("{} cells, but the header has {}", cells.len(), self.columns.len()));
        }
        Ok(self.columns.iter().cloned().zip(cells).collect())
    }
}

impl<L: Iterator<Item = io::Result<Line>>> Iterator for Rows<L> {
    type Item = io::Result<Numbered>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (number, text) = match self.line()? {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            let text = match text {
                Ok(text) if text.trim().is_empty() => continue,
                Ok(text) => text,
                Err(why) => return Some(Ok((number, Err(why)))),
            };
            if !self.header_seen {
                self.header_seen = true;
                continue;
            }
            return Some(match self.cells(text) {
                Ok(cells) => Ok((number, cells.and_then(|cells| self.row(cells)))),
                Err(error) => Err(error),
            });
        }
    }
}
