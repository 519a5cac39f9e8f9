//! What was answered, kept outside the system.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use serde::Serialize;
use serde_json::Value;

/// One request that was settled, or never will be: then its status is 0. `handsel verify --acknowledged` reads it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) context: String,
    pub(crate) aggregate: String,
    /// The version that the answer named.
    pub(crate) version: i64,
    pub(crate) key: Option<String>,
    pub(crate) status: u16,
    pub(crate) answer: Option<Value>,
    /// The types of the events that it led to.
    pub(crate) events: Vec<String>,
    /// How often the same was asked for again after it was settled.
    pub(crate) replays: u32,
}

/// A file with a line for each.
#[derive(Debug)]
pub(crate) struct Journal(Mutex<File>);

impl Journal {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self(Mutex::new(File::options().create(true).append(true).open(path)?)))
    }

    /// Notes it. The rig outlives every process under test, so the page cache is far enough outside.
    pub(crate) fn note(&self, line: &Line) {
        let mut text = serde_json::to_vec(line).expect("a line is plain data");
        text.push(b'\n');
        let mut file = self.0.lock().expect("nothing panics under this lock");
        file.write_all(&text).expect("the journal can be written");
    }
}
