//! What is written in one transaction.

use std::collections::HashMap;

use envelope::{Position, Timestamp};
use uuid::Uuid;

use super::decision::{Rejection, StreamId, Submission};
use super::rows::EventRow;
use crate::chain::Chain;
use crate::{Done, StoreError};

/// The newest event of a store, as far as somebody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) position: Position,
    pub(crate) event_id: Uuid,
    pub(crate) chain: Chain,
    pub(crate) recorded_at: Timestamp,
}

impl Tip {
    /// What this event makes of its store's end.
    pub(crate) fn of(event: &EventRow) -> Self {
        let EventRow { position, event_id, chain, recorded_at, .. } = *event;
        Self { position, event_id, chain, recorded_at }
    }
}

/// The rows of a batch, apart from who waits for them, so that they can be written while the next batch gathers.
#[derive(Clone, Debug, Default)]
pub(crate) struct BatchRows {
    pub(crate) events: Vec<EventRow>,
    pub(crate) ledger: Vec<LedgerRow>,
    /// Keys whose stored answer goes before a refusal or an empty decision: caller and key.
    pub(crate) sought: Vec<(String, String)>,
    pub(crate) snapshots: Vec<SnapshotRow>,
    /// Aggregates that were presumed to have no event before these.
    pub(crate) presumed: Vec<StreamId>,
}

/// An answer to be kept under its key.
#[derive(Clone, Debug)]
pub(crate) struct LedgerRow {
    pub(crate) caller: String,
    pub(crate) key: String,
    pub(crate) fingerprint: [u8; 32],
    pub(crate) answer: String,
    pub(crate) position: Position,
    /// It comes with events, so nothing may stand under its key yet.
    pub(crate) first: bool,
}

/// A state to be kept as a cache once its events are committed.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotRow {
    pub(crate) aggregate_type: &'static str,
    pub(crate) aggregate_id: String,
    pub(crate) sequence: i64,
    pub(crate) event_id: Uuid,
    pub(crate) shape: String,
    pub(crate) state: String,
}

/// A decision that waits for its batch.
pub(crate) struct Decided {
    pub(crate) submission: Submission,
    pub(crate) outcome: Outcome,
    pub(crate) events: Vec<EventRow>,
    pub(crate) snapshots: Vec<SnapshotRow>,
    pub(crate) written: Vec<StreamId>,
    /// The aggregate that was not looked up before.
    pub(crate) presumed: Option<StreamId>,
}

/// What was decided; told to nobody before the batch is committed.
pub(crate) enum Outcome {
    Accepted(Done),
    Nothing(Done),
    Refused(Rejection),
}

/// An answer from the ledger.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) fingerprint: [u8; 32],
    pub(crate) done: Done,
}

/// Answers from the ledger by caller and key; one that cannot be read stands there all the same.
pub(crate) type Found = HashMap<(String, String), Result<Stored, StoreError>>;

impl Decided {
    /// The row that keeps this answer, if it has a key and is kept.
    pub(crate) fn ledger_row(&self) -> Option<LedgerRow> {
        let key = self.submission.key.as_ref().filter(|_| !platform::faults::planted("key-forgotten"))?;
        let (done, first) = match &self.outcome {
            Outcome::Accepted(done) => (done, true),
            Outcome::Nothing(done) => (done, false),
            Outcome::Refused(_) => return None,
        };
        Some(LedgerRow {
            caller: key.caller.clone(),
            key: key.key.clone(),
            fingerprint: key.fingerprint,
            answer: serde_json::to_string(done).expect("an answer is plain data"),
            position: done.touched.iter().map(|(_, position)| *position).max().unwrap_or_default(),
            first,
        })
    }

    /// The key under which an earlier answer would go before this one.
    pub(crate) fn sought_key(&self) -> Option<(String, String)> {
        match self.outcome {
            Outcome::Accepted(_) => None,
            Outcome::Nothing(_) | Outcome::Refused(_) => {
                self.submission.key.as_ref().map(|key| (key.caller.clone(), key.key.clone()))
            }
        }
    }
}
