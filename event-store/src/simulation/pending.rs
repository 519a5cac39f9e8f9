//! Asking a process, and hearing from it.

use std::time::Duration;

use tokio::sync::oneshot::{self, error::TryRecvError};

use super::gate::{Part, step};
use super::process::{Around, Process};
use crate::appender::decision::{Answer, Rejection, Submission};
use crate::{Done, IdempotencyKey};

/// A command as a client sends it.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Its number, which its events carry.
    pub number: usize,
    /// What it wants.
    pub parts: Vec<Part>,
    /// Under which key; the fingerprint is that of the number of the command that used it first.
    pub key: Option<(String, usize)>,
    /// How long it waits.
    pub patience: Duration,
}

/// An answer that may come.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Answer>);

/// What came of a command.
#[derive(Clone, Debug)]
pub enum Reply {
    /// It took effect, or there was nothing to do.
    Done(Done),
    /// The gate is closed.
    Closed,
    /// The gate has another version.
    Conflict,
    /// The key was used for something else.
    KeyReused,
    /// It was late.
    Unavailable {
        /// It may have an effect all the same.
        sent: bool,
    },
    /// Something is damaged.
    Broken(String),
    /// The process is gone, and nobody knows.
    Lost,
}

impl Pending {
    /// The answer, once it is there.
    pub fn poll(&mut self) -> Option<Reply> {
        let answer = match self.0.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Closed) => return Some(Reply::Lost),
        };
        Some(match answer {
            Ok(done) => Reply::Done(done),
            Err(Rejection::Rule(_)) => Reply::Closed,
            Err(Rejection::Conflict { .. }) => Reply::Conflict,
            Err(Rejection::KeyReused) => Reply::KeyReused,
            Err(Rejection::Unavailable { sent }) => Reply::Unavailable { sent },
            Err(Rejection::Overloaded) => Reply::Unavailable { sent: false },
            Err(Rejection::Broken(error)) => Reply::Broken(error.to_string()),
        })
    }
}

impl Process {
    /// A command arrives.
    pub fn ask(&mut self, asking: &Asking, around: &Around<'_>) -> Pending {
        let (answer, answered) = oneshot::channel();
        let key = asking.key.as_ref().map(|(key, body)| {
            let mut fingerprint = [0; 32];
            fingerprint[..8].copy_from_slice(&body.to_be_bytes());
            IdempotencyKey { caller: "simulation".to_owned(), key: key.clone(), fingerprint }
        });
        let submission = Submission {
            steps: asking.parts.iter().map(|part| step(part, &around.store.codec)).collect(),
            key,
            metadata: asking.number.to_string().into(),
            deadline: around.instant + asking.patience,
            sent: false,
            sent_as: vec![],
            answer,
        };
        self.batcher.arrive(submission, around.now);
        Pending(answered)
    }
}
