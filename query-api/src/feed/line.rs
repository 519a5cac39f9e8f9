//! An event as everybody who follows gets it: written once, shared by all.

use std::fmt::Write as _;
use std::sync::Arc;

use envelope::{Position, Recorded, Timestamp};
use event_store::{RawPayload, Shown};
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

impl Line {
    /// Writes an event as it was stored: what is personal stays sealed.
    ///
    /// # Errors
    /// What serde says; nothing in it can fail.
    pub(super) fn of(event: Recorded<RawPayload>) -> serde_json::Result<Self> {
        let text = serde_json::to_string(&Shown::from(&event))?;
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
