//! What was answered, kept outside the system.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use verifier::Acknowledged;

/// A file with a line for each.
#[derive(Debug)]
pub(crate) struct Journal(Mutex<File>);

impl Journal {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self(Mutex::new(File::options().create(true).append(true).open(path)?)))
    }

    /// Notes it. The rig outlives every process under test, so the page cache is far enough outside.
    pub(crate) fn note(&self, line: &Acknowledged) {
        let mut text = serde_json::to_vec(line).expect("a line is plain data");
        text.push(b'\n');
        let mut file = self.0.lock().expect("nothing panics under this lock");
        file.write_all(&text).expect("the journal can be written");
    }
}
