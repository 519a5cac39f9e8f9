//! The file that holds the signed heads of a store: a line each, only ever added to, until it is thinned.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::judge::Collected;
use super::statement::SignedHead;

/// Above so many bytes, some eight thousand heads, old ones are thinned.
const BYTES_MAX: u64 = 4 << 20;
/// So many of the newest are kept whatever happens.
const NEWEST_KEPT: usize = 2_048;

/// Where the heads of one store are kept on this machine.
#[derive(Clone, Debug)]
pub struct Book {
    path: PathBuf,
    bytes_max: u64,
    newest_kept: usize,
}

impl Book {
    /// The file of a context in a folder of heads. Nothing is touched yet.
    #[must_use]
    pub fn of(folder: &Path, context: &str) -> Self {
        let path = folder.join(format!("{context}.jsonl"));
        Self { path, bytes_max: BYTES_MAX, newest_kept: NEWEST_KEPT }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything in it; nothing if there is no such file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self) -> io::Result<Collected> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Collected::default()),
            Err(error) => return Err(error),
        };
        Ok(self.parse(&String::from_utf8_lossy(&text)))
    }

    /// Writes a head so that it is still there after a crash of the machine.
    ///
    /// # Errors
    /// If the folder cannot be made or written, or is full.
    pub fn append(&self, head: &SignedHead) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // Two relays of one folder take turns, so that none writes to a file that the other just replaced.
        let lock = private(OpenOptions::new().create(true).truncate(false).write(true), &folder.join("lock"))?;
        lock.lock()?;
        let new = !self.path.exists();
        let mut file = private(OpenOptions::new().create(true).read(true).append(true), &self.path)?;
        repair(&mut file)?;
        let mut line = head.to_line()?;
        line.push('\n');
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        if new {
            File::open(folder)?.sync_all()?;
        }
        if file.metadata()?.len() > self.bytes_max { self.thin(folder) } else { Ok(()) }
    }

    /// Every second of the old heads goes. Recoveries stay, because without them what they gave up would look like a
    /// loss that nobody knows of; a head that goes only makes it less exact where a change began.
    fn thin(&self, folder: &Path) -> io::Result<()> {
        let text = fs::read_to_string(&self.path)?;
        let lines: Vec<&str> = text.lines().collect();
        let old = lines.len().saturating_sub(self.newest_kept);
        let recovery =
            |line: &str| serde_json::from_str::<SignedHead>(line).map_or(true, |head| head.statement.ended.is_some());
        let fresh = self.path.with_extension("new");
        let mut file = private(OpenOptions::new().create(true).truncate(true).write(true), &fresh)?;
        for (number, line) in lines.iter().enumerate() {
            if number >= old || number % 2 == 0 || recovery(line) {
                writeln!(file, "{line}")?;
            }
        }
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        File::open(folder)?.sync_all()
    }

    fn parse(&self, text: &str) -> Collected {
        let mut collected = Collected::default();
        for (number, line) in text.split_inclusive('\n').enumerate() {
            let place = || format!("{}, line {}", self.path.display(), number + 1);
            match serde_json::from_str(line) {
                Ok(head) => collected.heads.push(head),
                Err(_) if !line.ends_with('\n') => collected.torn.push(place()),
                Err(error) => collected.unreadable.push((place(), error.to_string())),
            }
        }
        collected
    }
}

fn private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.mode(0o600).open(path)
}

/// Cuts off a last line that a crash left without its end: it was never acknowledged to anybody.
fn repair(file: &mut File) -> io::Result<()> {
    let length = file.seek(SeekFrom::End(0))?;
    if length == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(());
    }
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut text)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    file.set_len(whole as u64)
}

#[cfg(test)]
mod tests;
