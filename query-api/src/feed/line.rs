//! An event as everybody who follows gets it: written once, shared by all.

use std::fmt::Write as _;
use std::sync::Arc;

use envelope::{Position, Recorded, Timestamp};
use event_store::RawPayload;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

/// A written event, and by what it is chosen and placed.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) position: Position,
    pub(super) event_id: Uuid,
    pub(super) recorded_at: Timestamp,
    pub(super) event_type: Arc<str>,
    pub(super) aggregate_id: String,
    /// The lines `data: …` of the stream.
    pub(super) data: String,
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

impl Line {
    /// Writes an event as it was stored: what is personal stays sealed.
    ///
    /// # Errors
    /// If its payload is no JSON, which a store does not hold.
    pub(super) fn of(event: Recorded<RawPayload>) -> serde_json::Result<Self> {
        let text = serde_json::to_string(&Shown {
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
        })?;
        Ok(Self {
            position: event.position,
            event_id: event.event_id,
            recorded_at: event.recorded_at,
            event_type: event.event_type,
            aggregate_id: event.aggregate_id,
            data: data_lines(&text),
        })
    }
}

/// A payload from elsewhere may be JSON over several lines; each becomes a line of its own, as the form has it.
pub(super) fn data_lines(text: &str) -> String {
    let mut lines = String::with_capacity(text.len() + 8);
    for line in text.split(['\n', '\r']).filter(|line| !line.is_empty()) {
        let _ = writeln!(lines, "data: {line}");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_payload_can_be_taken_for_a_field_of_the_stream() {
        assert_eq!(data_lines("{\"a\":\r\n1}\nid: 7\n\n"), "data: {\"a\":\ndata: 1}\ndata: id: 7\n");
    }
}
