//! What is sent: jobs of some steps, one after another.

use hyper::Method;
use serde_json::Value;

/// Something that is done as a whole or reported.
#[derive(Clone, Debug)]
pub struct Job {
    /// As the operator knows it: `line 17`.
    pub name: String,
    /// One after another, up to the first that is refused.
    pub steps: Vec<Step>,
}

/// One step of a job.
#[derive(Clone, Debug)]
pub enum Step {
    /// A command.
    Ask(Request),
    /// Waits while a field of what lies at a path is one of these words, or nothing is there yet.
    While {
        /// What is looked at.
        path: String,
        /// Which field of it.
        field: &'static str,
        /// The words.
        words: &'static [&'static str],
    },
}

/// One command.
#[derive(Clone, Debug)]
pub struct Request {
    /// POST, mostly.
    pub method: Method,
    /// Where it goes.
    pub path: String,
    /// Names it, so that a repeat is known as one.
    pub key: String,
    /// What it says; empty for nothing.
    pub body: Vec<u8>,
    /// The version that it is made for. Where there is another, somebody did something of their own meanwhile or it
    /// was done before: it is left as it is, and the job goes on.
    pub expected: Option<i64>,
}

impl Job {
    /// A job of one command.
    #[must_use]
    pub fn of(name: impl Into<String>, request: Request) -> Self {
        Self { name: name.into(), steps: vec![Step::Ask(request)] }
    }
}

impl Request {
    /// A POST with a body.
    #[must_use]
    pub fn post(path: impl Into<String>, key: impl ToString, body: &Value) -> Self {
        Self {
            method: Method::POST,
            path: path.into(),
            key: key.to_string(),
            body: body.to_string().into_bytes(),
            expected: None,
        }
    }

    /// A POST that says all with its path.
    #[must_use]
    pub fn bare(path: impl Into<String>, key: impl ToString) -> Self {
        Self { method: Method::POST, path: path.into(), key: key.to_string(), body: Vec::new(), expected: None }
    }

    /// Made for this version.
    #[must_use]
    pub fn expecting(self, version: i64) -> Self {
        Self { expected: Some(version), ..self }
    }
}
