//! Rows of the same id, one after another, are one thing.

use std::collections::{HashSet, VecDeque};
use std::io;

use uuid::Uuid;

use super::Mapping;
use super::table::{Numbered, Row};

/// A product has at most 100 variants, an order at most so many lines.
const ROWS_MAX: usize = 1_000;

/// All rows of one thing with their numbers.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) rows: Vec<(u64, Row)>,
}

/// Why a line is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Which line, from 1.
    pub line: u64,
    /// Why.
    pub why: String,
}

impl Group {
    /// The line where it begins.
    pub(super) fn line(&self) -> u64 {
        self.rows.first().map_or(0, |(number, _)| *number)
    }

    /// The first row that says something about a target.
    pub(super) fn first(&self, mapping: &Mapping, target: &str) -> Option<(u64, String)> {
        self.rows.iter().find_map(|(number, row)| Some((*number, mapping.cell(row, target)?)))
    }
}

/// The things of a file, each whole or not at all.
pub(super) struct Groups<R> {
    rows: R,
    mapping: Mapping,
    open: Option<Group>,
    /// The open group was given up.
    broken: bool,
    /// Lines that are none, since the open group's last row.
    between: Vec<Bad>,
    seen: HashSet<Uuid>,
    ready: VecDeque<Result<Group, Bad>>,
}

impl<R: Iterator<Item = io::Result<Numbered>>> Groups<R> {
    pub(super) fn new(rows: R, mapping: Mapping) -> Self {
        Self { rows, mapping, open: None, broken: false, between: vec![], seen: HashSet::new(), ready: VecDeque::new() }
    }

    fn take(&mut self, number: u64, row: Result<Row, String>) {
        let row = match row {
            Ok(row) => row,
            Err(why) => return self.between.push(Bad { line: number, why }),
        };
        let Some(id) = self.mapping.cell(&row, "id") else {
            return self.between.push(Bad { line: number, why: "no id".to_owned() });
        };
        match &mut self.open {
            Some(open) if open.id == id => {
                // Whatever the lines in between were to say, without them it would be half a thing.
                let why = if !self.between.is_empty() {
                    Some(format!("a row of `{id}` cannot be read, so all of it is left out"))
                } else if open.rows.len() >= ROWS_MAX {
                    Some(format!("`{id}` has more than {ROWS_MAX} rows"))
                } else {
                    None
                };
                match why {
                    _ if self.broken => {}
                    Some(why) => {
                        self.broken = true;
                        self.ready.push_back(Err(Bad { line: open.line(), why }));
                    }
                    None => open.rows.push((number, row)),
                }
            }
            Some(_) | None => {
                self.close();
                (self.open, self.broken) = (Some(Group { id, rows: vec![(number, row)] }), false);
            }
        }
        self.ready.extend(self.between.drain(..).map(Err));
    }

    fn close(&mut self) {
        let Some(group) = self.open.take().filter(|_| !self.broken) else { return };
        let known = Uuid::new_v5(&Uuid::NAMESPACE_OID, group.id.as_bytes());
        self.ready.push_back(if self.seen.insert(known) {
            Ok(group)
        } else {
            let why = format!("`{}` came before in this file; rows with the same id stand together", group.id);
            Err(Bad { line: group.line(), why })
        });
    }
}

impl<R: Iterator<Item = io::Result<Numbered>>> Iterator for Groups<R> {
    type Item = io::Result<Result<Group, Bad>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(Ok(ready));
            }
            match self.rows.next() {
                Some(Ok((number, row))) => self.take(number, row),
                Some(Err(error)) => return Some(Err(error)),
                None if self.open.is_none() && self.between.is_empty() => return None,
                None => {
                    self.close();
                    self.ready.extend(self.between.drain(..).map(Err));
                }
            }
        }
    }
}
