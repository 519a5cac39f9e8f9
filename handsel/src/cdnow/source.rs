//! The file: read once to know its hash and its customers, and once more to send its purchases.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{BadLine, Purchase};

/// A longer line is reported and skipped, so that no file can fill the memory.
const LINE_BYTES_MAX: u64 = 1024;

/// Everything that an import derives its ids from: the same bytes give the same ids, whatever the file is called.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    namespace: Uuid,
    /// The distinct customers, in order.
    pub customers: BTreeSet<String>,
    /// How many lines are purchases.
    pub purchases: u64,
    /// The lines that are not, each with its number and the reason.
    pub bad: Vec<(u64, BadLine)>,
}

/// The file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}: {source}")]
pub struct SourceError {
    path: String,
    source: io::Error,
}

impl Source {
    /// Reads the whole file once.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        Self::scan(path).map_err(|source| SourceError { path: path.display().to_string(), source })
    }

    fn scan(path: &Path) -> io::Result<Self> {
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_OID, &hash(path)?);
        let mut found =
            Self { path: path.to_owned(), namespace, customers: BTreeSet::new(), purchases: 0, bad: Vec::new() };
        for line in Lines::open(path)? {
            match line? {
                (_, Ok(purchase)) => {
                    found.purchases += 1;
                    if !found.customers.contains(&purchase.customer) {
                        found.customers.insert(purchase.customer);
                    }
                }
                (number, Err(bad)) => found.bad.push((number, bad)),
            }
        }
        Ok(found)
    }

    /// The purchases with the numbers of their lines.
    ///
    /// # Errors
    /// If the file cannot be opened again.
    pub fn purchases(&self) -> Result<impl Iterator<Item = io::Result<(u64, Purchase)>> + use<>, SourceError> {
        let lines =
            Lines::open(&self.path).map_err(|source| SourceError { path: self.path.display().to_string(), source })?;
        Ok(lines.filter_map(|line| match line {
            Ok((number, Ok(purchase))) => Some(Ok((number, purchase))),
            Ok((_, Err(_))) => None,
            Err(error) => Some(Err(error)),
        }))
    }

    /// The id of what a name stands for in this file: `line 17`, `customer 00002`.
    #[must_use]
    pub fn id_of(&self, name: &str) -> Uuid {
        Uuid::new_v5(&self.namespace, name.as_bytes())
    }
}

fn hash(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&buffer[..read]),
        }
    }
}

/// Lines with their numbers, from 1; the header and empty lines are counted and left out.
struct Lines {
    reader: BufReader<File>,
    number: u64,
}

impl Lines {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { reader: BufReader::with_capacity(64 * 1024, File::open(path)?), number: 0 })
    }

    /// The bytes of the next line, cut at the longest one allowed; `None` at the end.
    fn next_bytes(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        if self.reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let mut rest = Vec::new();
        while line.last() != Some(&b'\n') && rest.last() != Some(&b'\n') {
            rest.clear();
            if self.reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut rest)? == 0 {
                break;
            }
            // One byte more says that it was cut.
            line.resize(usize::try_from(LINE_BYTES_MAX).expect("a small number") + 1, b' ');
        }
        Ok(Some(line))
    }
}

impl Iterator for Lines {
    type Item = io::Result<(u64, Result<Purchase, BadLine>)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let bytes = match self.next_bytes() {
                Ok(bytes) => bytes?,
                Err(error) => return Some(Err(error)),
            };
            self.number += 1;
            let max = usize::try_from(LINE_BYTES_MAX).expect("a small number");
            let line = match std::str::from_utf8(&bytes) {
                _ if bytes.len() > max => return Some(Ok((self.number, Err(BadLine::Length(max))))),
                Ok(line) => line,
                Err(_) => return Some(Ok((self.number, Err(BadLine::Encoding)))),
            };
            let header = self.number == 1 && Purchase::is_header(line);
            if !header && !line.trim().is_empty() {
                return Some(Ok((self.number, Purchase::parse(line))));
            }
        }
    }
}

#[cfg(test)]
mod tests;
