//! The door for commands on one aggregate type.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cqrs_es::Aggregate;
use cqrs_es::persist::EventUpcaster;
use envelope::{Cause, History, Position, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::appender::decision::{Answer, CommandStep, Stream, StreamId};
use crate::appender::{Rejection, Submission};
use crate::codec::{Codec, SnapshotPolicy};
use crate::{Store, StoreError};

/// What comes with a command besides itself.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Who asked and in the course of what.
    pub cause: Cause,
    /// The version the caller has seen; another one is refused as a conflict. 0: the aggregate must not exist yet.
    pub expected_version: Option<i64>,
    /// The key under which a repeat gets the same answer.
    pub key: Option<IdempotencyKey>,
}

impl Ask {
    /// A command without conditions.
    #[must_use]
    pub fn new(cause: Cause) -> Self {
        Self { cause, expected_version: None, key: None }
    }

    /// Only if the aggregate still has this version.
    #[must_use]
    pub fn expecting(mut self, version: i64) -> Self {
        self.expected_version = Some(version);
        self
    }

    /// A repeat with the same key gets the same answer.
    #[must_use]
    pub fn with_key(mut self, key: IdempotencyKey) -> Self {
        self.key = Some(key);
        self
    }
}

/// A key that a caller chose for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Whose key; another caller's same key is another key.
    pub caller: String,
    /// The key itself.
    pub key: String,
    /// What was asked: the same key with another fingerprint is refused.
    pub fingerprint: [u8; 32],
}

/// The command took effect, or there was nothing to do; everything this rests on is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The aggregate, of several the first.
    pub aggregate_id: String,
    /// Its version now: the sequence of its newest event.
    pub version: i64,
    /// The events that were added, perhaps none.
    pub events: Vec<Uuid>,
    /// The aggregate did not exist before.
    pub created: bool,
    /// Per partition the newest position of the aggregates asked: a view that has these has this answer.
    pub touched: Vec<(i32, Position)>,
    /// The history to which the positions belong.
    pub history: History,
    /// When the newest of the added events was recorded.
    pub recorded_at: Option<Timestamp>,
    /// This is the stored answer to an earlier request with the same key.
    #[serde(default, skip_serializing)]
    pub replayed: bool,
}

/// Why a command was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Refused<E> {
    /// A rule of the aggregate.
    #[error("{0}")]
    Rule(E),
    /// The aggregate has another version than the caller expected.
    #[error("the version is {actual}, not {expected}; read it again and repeat if the command still makes sense")]
    Conflict {
        /// What the caller said.
        expected: i64,
        /// What it is.
        actual: i64,
    },
    /// The key was used for another request.
    #[error("this idempotency key was used for another request; take a new key for a new request")]
    KeyReused,
    /// Too many commands wait.
    #[error("more commands wait than can be decided soon; slow down and repeat")]
    Overloaded,
    /// Postgres is away. If `sent`, the command may have taken effect: repeat it with the same key to find out.
    #[error("the event store cannot be reached; repeat with the same idempotency key")]
    Unavailable {
        /// The command was in a batch whose outcome is unknown.
        sent: bool,
    },
    /// Something is wrong with the store or the event, not with the rule.
    #[error("{0}")]
    Broken(#[source] StoreError),
}

/// Decides commands of one aggregate type and appends their events.
pub struct Commands<A: Aggregate> {
    store: Store,
    services: Arc<A::Services>,
    codec: Arc<Codec<A>>,
}

impl<A: Aggregate> Clone for Commands<A> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), services: self.services.clone(), codec: self.codec.clone() }
    }
}

impl<A> Commands<A>
where
    A: Aggregate + Clone + 'static,
    A::Command: Clone + Send + Sync + 'static,
    A::Error: Send + 'static,
{
    pub(crate) fn new(store: Store, services: A::Services, upcasters: Vec<Box<dyn EventUpcaster>>) -> Self {
        Self { store, services: Arc::new(services), codec: Arc::new(Codec::new(upcasters, None)) }
    }

    /// Keeps a snapshot whenever an aggregate passes a multiple of `every_events`. `shape` names the form and the
    /// meaning of the state: change it with either, and older snapshots are left unused.
    ///
    /// # Panics
    /// If `every_events` is not positive, or if the commands are in use already.
    #[must_use]
    pub fn with_snapshots(mut self, every_events: i64, shape: impl AsRef<[u8]>) -> Self {
        assert!(every_events > 0, "a snapshot is taken every so many events");
        let codec = Arc::get_mut(&mut self.codec).expect("snapshots are chosen before the commands are used");
        // It stands beside every snapshot and goes with every look-up, and a schema is long.
        let shape = platform::hexadecimal(&Sha256::digest(shape.as_ref()));
        codec.set_snapshots(SnapshotPolicy { every_events, shape });
        self
    }

    /// Decides on the newest state, also of events that are queued but not durable yet, and waits for the commit.
    ///
    /// # Errors
    /// [`Refused`] says whether a rule, a condition or the store stood against it.
    pub async fn execute(&self, id: &str, command: A::Command, ask: Ask) -> Result<Done, Refused<A::Error>> {
        let step = self.step(id, command, ask.expected_version);
        let answer = submit(&self.store, vec![Box::new(step)], &ask.cause, ask.key).await;
        answer.map_err(Refused::from_rejection)
    }

    /// The committed state of an aggregate and its version; version 0 if it does not exist.
    ///
    /// # Errors
    /// If Postgres is away or an event cannot be read.
    pub async fn load(&self, id: &str) -> Result<(i64, A), StoreError> {
        self.store.load(&self.stream(id)).await
    }

    pub(crate) fn step(&self, id: &str, command: A::Command, expected: Option<i64>) -> CommandStep<A> {
        CommandStep {
            stream: self.stream(id),
            command,
            expected,
            services: self.services.clone(),
            codec: self.codec.clone(),
        }
    }

    pub(crate) fn stream(&self, id: &str) -> Stream {
        Stream { id: StreamId { aggregate_type: A::TYPE, aggregate_id: Arc::from(id) }, kind: self.codec.clone() }
    }

    pub(crate) fn codec(&self) -> &Arc<Codec<A>> {
        &self.codec
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }
}

impl<E: 'static> Refused<E> {
    pub(crate) fn from_rejection(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Rule(error) => match error.downcast() {
                Ok(error) => Self::Rule(*error),
                Err(_) => Self::Broken(StoreError::Closed),
            },
            Rejection::Conflict { expected, actual } => Self::Conflict { expected, actual },
            Rejection::KeyReused => Self::KeyReused,
            Rejection::Overloaded => Self::Overloaded,
            Rejection::Unavailable { sent } => Self::Unavailable { sent },
            Rejection::Broken(error) => Self::Broken(error),
        }
    }
}

/// How long before the end of the wait the appender answers late commands by itself: it can say that one was not sent.
const AHEAD_MAX: Duration = Duration::from_secs(1);

/// Hands steps to the appender and waits for its answer.
pub(crate) async fn submit(
    store: &Store,
    steps: Vec<Box<dyn crate::appender::decision::Step>>,
    cause: &Cause,
    key: Option<IdempotencyKey>,
) -> Answer {
    let metadata =
        serde_json::to_string(&cause.to_metadata()).map_err(|error| Rejection::Broken(StoreError::encode(error)))?;
    submit_with_metadata(store, steps, metadata.into(), key).await
}

/// The same with metadata that is not ours.
pub(crate) async fn submit_with_metadata(
    store: &Store,
    steps: Vec<Box<dyn crate::appender::decision::Step>>,
    metadata: Arc<str>,
    key: Option<IdempotencyKey>,
) -> Answer {
    let timeout = store.command_timeout();
    let now = Instant::now();
    let deadline = now + timeout - AHEAD_MAX.min(timeout / 5);
    let (answer, answered) = oneshot::channel();
    let submission = Submission { steps, key, metadata, deadline, sent: false, sent_as: vec![], answer };
    let mut sent = false;
    let answered = async {
        let appender = store.appender().await.map_err(Rejection::Broken)?;
        appender.try_send(submission).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                store.note_overload();
                Rejection::Overloaded
            }
            mpsc::error::TrySendError::Closed(_) => Rejection::Unavailable { sent: false },
        })?;
        sent = true;
        answered.await.unwrap_or(Err(Rejection::Unavailable { sent: true }))
    };
    // Starting the appender and writing a batch may hang in Postgres: nobody waits for that beyond the time-out.
    let answer = tokio::time::timeout_at((now + timeout).into(), answered).await;
    answer.unwrap_or(Err(Rejection::Unavailable { sent }))
}
