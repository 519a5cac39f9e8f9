//! An event as a Kafka record: CloudEvents 1.0 in binary mode, and beside it what readers need for their own order.
//!
//! `position`, `previous` and `history` are ours: a reader takes a record only if `previous <= highest < position`
//! within one history. Extension attributes carry what a CloudEvent has no name for, so that a record can be read back
//! into the event that was stored.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use envelope::{History, Position, Recorded};
use rdkafka::message::{Header, OwnedHeaders};

/// Names of headers, used by those who write and those who read.
pub(crate) mod name {
    pub(crate) const ID: &str = "ce_id";
    pub(crate) const TIME: &str = "ce_time";
    pub(crate) const SEQUENCE: &str = "ce_sequence";
    pub(crate) const AGGREGATE_TYPE: &str = "ce_aggregatetype";
    pub(crate) const EVENT_NAME: &str = "ce_eventname";
    pub(crate) const EVENT_VERSION: &str = "ce_eventversion";
    pub(crate) const ACTOR: &str = "ce_actor";
    pub(crate) const CORRELATION_ID: &str = "ce_correlationid";
    pub(crate) const CAUSATION_ID: &str = "ce_causationid";
    pub(crate) const TRACEPARENT: &str = "ce_traceparent";
    pub(crate) const POSITION: &str = "position";
    pub(crate) const PREVIOUS: &str = "previous";
    pub(crate) const HISTORY: &str = "history";
}

/// The CloudEvents attributes that follow from the name and version of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventNames {
    /// `ce_type`
    pub event_type: String,
    /// `ce_dataschema`
    pub dataschema: String,
}

/// From an event's name and version to its names outside.
pub type Naming = dyn Fn(&str, &str) -> EventNames + Send + Sync;

/// How the events of one store are published. The store itself knows no name of any topic or type.
#[derive(Clone)]
pub struct Publishing {
    /// The topic they go to.
    pub topic: String,
    /// `ce_source`: which service they come from.
    pub source: String,
    /// From an event's name and version to what the outside calls it.
    pub names: Arc<Naming>,
}

impl fmt::Debug for Publishing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publishing").field("topic", &self.topic).field("source", &self.source).finish_non_exhaustive()
    }
}

/// Makes the headers of records and remembers the names that it was told.
pub(crate) struct HeaderMaker {
    publishing: Publishing,
    history: String,
    names: HashMap<(Arc<str>, Arc<str>), EventNames>,
}

impl HeaderMaker {
    pub(crate) fn new(publishing: Publishing, history: History) -> Self {
        Self { publishing, history: history.to_string(), names: HashMap::new() }
    }

    pub(crate) fn headers<E>(&mut self, event: &Recorded<E>, previous: Position) -> OwnedHeaders {
        let kind = (event.event_type.clone(), event.event_version.clone());
        let names = self.names.entry(kind).or_insert_with_key(|(name, version)| (self.publishing.names)(name, version));
        let headers = OwnedHeaders::new_with_capacity(22);
        let headers = put(headers, "ce_specversion", "1.0");
        let headers = put(headers, name::ID, &event.event_id.to_string());
        let headers = put(headers, "ce_source", &self.publishing.source);
        let headers = put(headers, "ce_type", &names.event_type);
        let headers = put(headers, "ce_subject", &event.aggregate_id);
        let headers = put(headers, name::TIME, &event.recorded_at.to_string());
        let headers = put(headers, "ce_dataschema", &names.dataschema);
        let headers = put(headers, "content-type", "application/json");
        let headers = put(headers, "ce_partitionkey", &event.aggregate_id);
        let headers = put(headers, name::SEQUENCE, &event.sequence.to_string());
        let headers = put(headers, name::AGGREGATE_TYPE, &event.aggregate_type);
        let headers = put(headers, name::EVENT_NAME, &event.event_type);
        let headers = put(headers, name::EVENT_VERSION, &event.event_version);
        let headers = put(headers, name::ACTOR, &event.cause.actor);
        let headers = put(headers, name::CORRELATION_ID, &event.cause.correlation_id.to_string());
        let causation_id = event.cause.causation_id.map(|id| id.to_string());
        let headers = put_some(headers, name::CAUSATION_ID, causation_id.as_deref());
        let headers = put_some(headers, name::TRACEPARENT, event.cause.traceparent.as_deref());
        let headers = put(headers, name::POSITION, &event.position.to_string());
        let headers = put(headers, name::PREVIOUS, &previous.to_string());
        put(headers, name::HISTORY, &self.history)
    }
}

fn put(headers: OwnedHeaders, key: &str, value: &str) -> OwnedHeaders {
    headers.insert(Header { key, value: Some(value) })
}

fn put_some(headers: OwnedHeaders, key: &str, value: Option<&str>) -> OwnedHeaders {
    if value.is_some() { headers.insert(Header { key, value }) } else { headers }
}
