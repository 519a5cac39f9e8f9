//! An event as a receiver gets it: `{"type", "timestamp", "data"}`, as Standard Webhooks suggests.

use envelope::{Position, Recorded, Timestamp};
use event_schemas::{Context, dotted_name};
use event_store::RawPayload;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::send::Message;

/// What is sent.
#[derive(Serialize)]
struct Parcel<'a> {
    r#type: &'a str,
    timestamp: Timestamp,
    data: Shown<'a>,
}

/// The same fields as in the list of events.
#[derive(Serialize)]
struct Shown<'a> {
    context: &'a str,
    position: Position,
    event_id: Uuid,
    event_type: &'a str,
    event_version: &'a str,
    aggregate_type: &'a str,
    aggregate_id: &'a str,
    sequence: i64,
    actor: &'a str,
    correlation_id: Uuid,
    causation_id: Option<Uuid>,
    traceparent: Option<&'a str>,
    recorded_at: Timestamp,
    data: &'a RawValue,
}

/// An event with what its delivery has to know.
pub(super) struct Packed {
    pub(super) message: Message,
    pub(super) event_type: String,
    /// What is for the same aggregate goes one after another.
    pub(super) lane: String,
}

/// Packs an event as it was stored: what is personal stays sealed.
pub(super) fn pack(context: Context, event: &Recorded<RawPayload>) -> serde_json::Result<Packed> {
    let event_type = dotted_name(context, &event.event_type);
    let body = serde_json::to_string(&Parcel {
        r#type: &event_type,
        timestamp: event.recorded_at,
        data: Shown {
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
            data: serde_json::from_str(event.data.get())?,
        },
    })?;
    let lane = format!("{}/{}", event.aggregate_type, event.aggregate_id);
    Ok(Packed { message: Message { id: message_id(event.event_id), body }, event_type, lane })
}

/// The same for every attempt. A full stop would end it in what is signed.
pub(super) fn message_id(event: Uuid) -> String {
    format!("msg_{}", event.simple())
}
