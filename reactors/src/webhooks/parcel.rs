//! An event as a receiver gets it: `{"type", "timestamp", "data"}`, as Standard Webhooks suggests.

use envelope::{Recorded, Timestamp};
use event_schemas::{Context, dotted_name};
use event_store::{RawPayload, Shown};
use serde::Serialize;
use uuid::Uuid;

use super::send::Message;

/// What is sent.
#[derive(Serialize)]
struct Parcel<'a> {
    r#type: &'a str,
    timestamp: Timestamp,
    data: Shown<'a>,
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
    let body =
        serde_json::to_string(&Parcel { r#type: &event_type, timestamp: event.recorded_at, data: Shown::from(event) })?;
    let lane = format!("{}/{}", event.aggregate_type, event.aggregate_id);
    Ok(Packed { message: Message { id: message_id(event.event_id), body }, event_type, lane })
}

/// The same for every attempt. A full stop would end it in what is signed.
pub(super) fn message_id(event: Uuid) -> String {
    format!("msg_{}", event.simple())
}
