//! Old shapes of events become the next ones when they are read. What is stored never changes.

use cqrs_es::persist::{EventUpcaster, SerializedEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Context, identity, orders, payments, products};

/// One step: the shape `from` of an event becomes the shape `from + 1`.
#[derive(Clone, Copy)]
pub(crate) struct Upcast {
    pub(crate) event_type: &'static str,
    pub(crate) from: u32,
    /// Rewrites the fields. What has not the old shape stays as it is, and decoding will say what is wrong with it.
    pub(crate) fields: fn(Value) -> Value,
}

/// What turns old events of a context into current ones, oldest shapes first. The payload may hold the fields alone, as
/// in our stores, or under the event's name, as `cqrs_es` writes them.
#[must_use]
pub fn upcasters(context: Context) -> Vec<Box<dyn EventUpcaster>> {
    steps(context).iter().map(|step| Box::new(*step) as Box<dyn EventUpcaster>).collect()
}

pub(crate) fn steps(context: Context) -> &'static [Upcast] {
    match context {
        Context::Identity => identity::UPCASTS,
        Context::Orders => orders::UPCASTS,
        Context::Products => products::UPCASTS,
        Context::Payments => payments::UPCASTS,
    }
}

/// A step between two types, for [`Upcast::fields`].
pub(crate) fn upcast<Old: DeserializeOwned, New: From<Old> + Serialize>(fields: Value) -> Value {
    let new = Old::deserialize(&fields).map(New::from).and_then(serde_json::to_value);
    new.unwrap_or(fields)
}

impl EventUpcaster for Upcast {
    fn can_upcast(&self, event_type: &str, event_version: &str) -> bool {
        event_type == self.event_type && event_version.parse() == Ok(self.from)
    }

    fn upcast(&self, mut event: SerializedEvent) -> SerializedEvent {
        event.payload = match event.payload {
            Value::Object(mut named) if named.len() == 1 && named.contains_key(self.event_type) => {
                named.iter_mut().for_each(|(_, fields)| *fields = (self.fields)(fields.take()));
                Value::Object(named)
            }
            fields => (self.fields)(fields),
        };
        event.event_version = (self.from + 1).to_string();
        event
    }
}
