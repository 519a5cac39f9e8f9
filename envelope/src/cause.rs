//! Who asked for a change and in the course of what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Travels from a request into the metadata of its events, from there into Kafka headers and on to the next command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The account or the part of the system that asked.
    pub actor: String,
    /// The same for everything that follows from one request from outside.
    pub correlation_id: Uuid,
    /// The event that led to this command, if it was an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<Uuid>,
    /// W3C trace context, as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl Cause {
    /// A request that nothing in the system caused.
    #[must_use]
    pub fn new(actor: impl Into<String>, correlation_id: Uuid) -> Self {
        Self { actor: actor.into(), correlation_id, causation_id: None, traceparent: None }
    }

    /// The flat map of strings that stands in the `metadata` of a stored event.
    #[must_use]
    pub fn to_metadata(&self) -> BTreeMap<&'static str, String> {
        let mut map =
            BTreeMap::from([("actor", self.actor.clone()), ("correlation_id", self.correlation_id.to_string())]);
        if let Some(id) = self.causation_id {
            map.insert("causation_id", id.to_string());
        }
        if let Some(traceparent) = &self.traceparent {
            map.insert("traceparent", traceparent.clone());
        }
        map
    }
}

#[cfg(test)]
mod tests;
