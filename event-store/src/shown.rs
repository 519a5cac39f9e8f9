//! An event as whoever follows a store gets it, whichever way it comes.

use envelope::{Position, Recorded, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::RawPayload;

/// The fields of a stored event, as the list of events has them too. What is personal stays sealed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Shown<'e> {
    context: &'e str,
    position: Position,
    event_id: Uuid,
    event_type: &'e str,
    event_version: &'e str,
    aggregate_type: &'e str,
    aggregate_id: &'e str,
    sequence: i64,
    actor: &'e str,
    correlation_id: Uuid,
    causation_id: Option<Uuid>,
    traceparent: Option<&'e str>,
    recorded_at: Timestamp,
    data: &'e RawValue,
}

impl<'e> From<&'e Recorded<RawPayload>> for Shown<'e> {
    fn from(event: &'e Recorded<RawPayload>) -> Self {
        Self {
            context: &event.context,
            position: event.position,
            event_id: event.event_id,
            event_type: &event.event_type,
            event_version: &event.event_version,
            aggregate_type: &event.aggregate_type,
            aggregate_id: &event.aggregate_id,
            sequence: event.sequence,
            actor: &event.cause.actor,
            correlation_id: event.cause.correlation_id,
            causation_id: event.cause.causation_id,
            traceparent: event.cause.traceparent.as_deref(),
            recorded_at: event.recorded_at,
            data: event.data.raw(),
        }
    }
}
