//! Events and states of one aggregate type as the store writes them.
//!
//! The payload is what serde's external tagging puts inside the variant's name (`{"Opened":{"by":1}}` → `{"by":1}`),
//! because the name stands in a column of its own; a variant without fields is stored as `{}`, and events that are
//! tagged otherwise are stored whole.

use std::any::Any;
use std::sync::Arc;

use cqrs_es::persist::{EventUpcaster, SerializedEvent};
use cqrs_es::{Aggregate, DomainEvent as _};
use serde_json::Value;
use uuid::Uuid;

use crate::StoreError;
use crate::appender::rows::EventRow;

/// An event that was decided and has no place yet.
#[derive(Clone, Debug)]
pub(crate) struct NewEvent {
    pub(crate) event_id: Uuid,
    pub(crate) event_type: String,
    pub(crate) event_version: String,
    pub(crate) payload: String,
}

/// How often a snapshot is taken and which form of state it holds.
#[derive(Clone)]
pub(crate) struct SnapshotPolicy {
    pub(crate) every_events: i64,
    pub(crate) shape: String,
}

/// Reads and writes one aggregate type.
pub(crate) struct Codec<A: Aggregate> {
    upcasters: Vec<Box<dyn EventUpcaster>>,
    snapshots: Option<SnapshotPolicy>,
    of: std::marker::PhantomData<fn() -> A>,
}

/// The codec of a type that only the caller knows.
pub(crate) trait Kind: Send + Sync {
    fn snapshots(&self) -> Option<&SnapshotPolicy>;
    fn empty(self: Arc<Self>) -> Box<dyn State>;
    /// `None` if the text is not such a state: the events are read instead.
    fn from_snapshot(self: Arc<Self>, state: &str) -> Option<Box<dyn State>>;
}

/// The state of some aggregate.
pub(crate) trait State: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
    fn boxed_clone(&self) -> Box<dyn State>;
    fn apply(&mut self, event: &EventRow) -> Result<(), StoreError>;
    fn to_snapshot(&self) -> Option<String>;
}

/// The state of an `A`.
pub(crate) struct Held<A: Aggregate> {
    pub(crate) aggregate: A,
    codec: Arc<Codec<A>>,
}

impl<A: Aggregate> Codec<A> {
    pub(crate) fn new(upcasters: Vec<Box<dyn EventUpcaster>>, snapshots: Option<SnapshotPolicy>) -> Self {
        Self { upcasters, snapshots, of: std::marker::PhantomData }
    }

    pub(crate) fn set_snapshots(&mut self, policy: SnapshotPolicy) {
        self.snapshots = Some(policy);
    }

    pub(crate) fn encode(&self, event: &A::Event) -> Result<NewEvent, StoreError> {
        let event_type = event.event_type();
        let whole = serde_json::to_string(event).map_err(StoreError::encode)?;
        let inner = whole
            .strip_prefix("{\"")
            .and_then(|rest| rest.strip_prefix(event_type.as_str()))
            .and_then(|rest| rest.strip_prefix("\":"))
            .and_then(|rest| rest.strip_suffix('}'))
            .map(str::to_owned);
        let has_no_fields = || whole.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) == Some(&event_type);
        let payload = match inner {
            Some(fields) => fields,
            None if has_no_fields() => "{}".to_owned(),
            None => whole,
        };
        Ok(NewEvent { event_id: Uuid::now_v7(), event_type, event_version: event.event_version(), payload })
    }

    pub(crate) fn decode(&self, event: &EventRow) -> Result<A::Event, StoreError> {
        if self.upcasters.iter().any(|up| up.can_upcast(&event.event_type, &event.event_version)) {
            return self.upcast(event);
        }
        envelope::tagged::read_str(&event.event_type, &event.payload)
            .or_else(|tagged| serde_json::from_str(&event.payload).map_err(|_| tagged))
            .map_err(|error| event.unreadable(error))
    }

    fn upcast(&self, event: &EventRow) -> Result<A::Event, StoreError> {
        let first = SerializedEvent::new(
            event.aggregate_id.to_string(),
            usize::try_from(event.sequence).unwrap_or_default(),
            event.aggregate_type.to_string(),
            event.event_type.to_string(),
            event.event_version.to_string(),
            serde_json::from_str(&event.payload).map_err(|error| event.unreadable(error))?,
            Value::Null,
        );
        let newest = self.upcasters.iter().fold(first, |event, up| {
            if up.can_upcast(&event.event_type, &event.event_version) { up.upcast(event) } else { event }
        });
        envelope::tagged::read(&newest.event_type, newest.payload.clone())
            .or_else(|tagged| serde_json::from_value(newest.payload).map_err(|_| tagged))
            .map_err(|error| event.unreadable(error))
    }
}

impl<A: Aggregate + Clone + 'static> Kind for Codec<A> {
    fn snapshots(&self) -> Option<&SnapshotPolicy> {
        self.snapshots.as_ref()
    }

    fn empty(self: Arc<Self>) -> Box<dyn State> {
        Box::new(Held { aggregate: A::default(), codec: self })
    }

    fn from_snapshot(self: Arc<Self>, state: &str) -> Option<Box<dyn State>> {
        let aggregate: A = serde_json::from_str(state).ok()?;
        Some(Box::new(Held { aggregate, codec: self }))
    }
}

impl<A: Aggregate + Clone + 'static> State for Held<A> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn boxed_clone(&self) -> Box<dyn State> {
        Box::new(Self { aggregate: self.aggregate.clone(), codec: self.codec.clone() })
    }

    fn apply(&mut self, event: &EventRow) -> Result<(), StoreError> {
        self.aggregate.apply(self.codec.decode(event)?);
        Ok(())
    }

    fn to_snapshot(&self) -> Option<String> {
        serde_json::to_string(&self.aggregate).ok()
    }
}
