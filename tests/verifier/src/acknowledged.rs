//! The journal of a client outside the system: what it asked and what it was answered, one JSON object a line.
//!
//! Whoever writes it writes a line when a request is settled: answered, or given up. A client that dies in between
//! writes what it had sent as unknown (`"status":0`).

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::Context as _;
use event_schemas::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One settled request.
///
/// ```
/// let line = r#"{"context":"orders","aggregate":"018f4e7a-0000-7000-8000-000000000002","version":1,"key":"k1",
///                "status":201,"answer":null,"events":["OrderImported"],"replays":0}"#;
/// let line: verifier::Acknowledged = serde_json::from_str(line).unwrap();
/// assert!(line.is_success());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// The context that was asked.
    pub context: Context,
    /// The aggregate that was asked about: its id as the store has it. Where the server chooses the id and did not
    /// answer, empty.
    pub aggregate: String,
    /// The version that the answer named (`ETag`): the sequence of the aggregate's newest event. Where the outcome is
    /// unknown or it was refused, 0.
    pub version: i64,
    /// The request's `Idempotency-Key`, if it had one.
    #[serde(default)]
    pub key: Option<String>,
    /// Whose key it is (`Handsel-Caller`), where several callers may have used the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// The status of the answer; 0 if there was none, so that nobody knows whether it took effect.
    pub status: u16,
    /// The body of the answer.
    #[serde(default)]
    pub answer: Option<Value>,
    /// The types of the events that it leads to, in their order, the last one at `version`; empty if it changed
    /// nothing, or if the client does not know.
    #[serde(default)]
    pub events: Vec<String>,
    /// How many more times the client sent the same request under the same key and got the same answer.
    #[serde(default)]
    pub replays: u32,
}

impl Acknowledged {
    /// It took effect, or there was nothing to do.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Nobody knows whether it took effect: no answer, or one that leaves it open.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.status == 0 || self.status >= 500
    }
}

/// Reads a journal. A last line that was cut off, as by the death of its writer, is left out.
///
/// # Errors
/// If the file cannot be read, or another line is not such an object.
pub fn read(file: &Path) -> anyhow::Result<Vec<Acknowledged>> {
    let opened = std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut lines = BufReader::new(opened).lines().enumerate().peekable();
    let mut read = Vec::new();
    while let Some((index, line)) = lines.next() {
        let line = line.with_context(|| format!("cannot read {}", file.display()))?;
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(&line) {
            Ok(one) => read.push(one),
            Err(error) if lines.peek().is_none() && error.is_eof() => break,
            Err(error) => {
                return Err(error).with_context(|| format!("{}, line {}", file.display(), index + 1));
            }
        }
    }
    Ok(read)
}
