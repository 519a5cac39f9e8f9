//! An event as it stands in a store.

use std::sync::Arc;

use uuid::Uuid;

use crate::{Cause, Position, Timestamp};

/// An event with its place, its name and its cause. `E` is the event itself, or its raw JSON before it is decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded<E> {
    /// Where it stands in the store of its context.
    pub position: Position,
    /// The context whose store holds it.
    pub context: Arc<str>,
    /// The kind of aggregate it happened to.
    pub aggregate_type: Arc<str>,
    /// Which aggregate it happened to; also the key in Kafka.
    pub aggregate_id: String,
    /// 1 for the first event of the aggregate, and so on without a hole: the aggregate's version after it.
    pub sequence: i64,
    /// Names the event for ever, also when it is replayed elsewhere.
    pub event_id: Uuid,
    /// Its full name in the past tense.
    pub event_type: Arc<str>,
    /// The version of its shape: `"1"`, `"2"` ….
    pub event_version: Arc<str>,
    /// When the store took it; never before that of the position before.
    pub recorded_at: Timestamp,
    /// Who asked for it.
    pub cause: Cause,
    /// What happened.
    pub data: E,
}

impl<E> Recorded<E> {
    /// The same with other data, for decoding.
    pub fn try_map<F, X>(self, decode: impl FnOnce(&Recorded<()>, E) -> Result<F, X>) -> Result<Recorded<F>, X> {
        let (head, data) = self.replace(());
        let data = decode(&head, data)?;
        Ok(head.replace(data).0)
    }

    /// The same with other data, and the data it had.
    fn replace<F>(self, data: F) -> (Recorded<F>, E) {
        let Self {
            position,
            context,
            aggregate_type,
            aggregate_id,
            sequence,
            event_id,
            event_type,
            event_version,
            recorded_at,
            cause,
            data: had,
        } = self;
        let new = Recorded {
            position,
            context,
            aggregate_type,
            aggregate_id,
            sequence,
            event_id,
            event_type,
            event_version,
            recorded_at,
            cause,
            data,
        };
        (new, had)
    }
}
