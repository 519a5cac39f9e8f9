//! Measures of messages, named by the semantic conventions as Prometheus writes them; the names are only here.
//!
//! Labels are topics, groups and projections, of which there are few. Clocks are read per batch.

use std::time::Instant;

use envelope::Position;
use metrics::{Counter, Histogram, counter, histogram};

use crate::clock;

const SYSTEM: &str = "kafka";

/// What one producer sends to one topic.
pub struct Sending {
    messages: Counter,
    duration: Histogram,
    /// A message whose acknowledgement is waited for: one at a time says enough of how long that takes.
    timed: Option<(Position, Instant)>,
}

impl Sending {
    /// Nothing was sent yet.
    #[must_use]
    pub fn to(topic: &str) -> Self {
        let labels = [
            ("messaging_system", SYSTEM.to_owned()),
            ("messaging_operation_name", "send".to_owned()),
            ("messaging_destination_name", topic.to_owned()),
        ];
        Self {
            messages: counter!("messaging_client_sent_messages_total", &labels),
            duration: histogram!("messaging_client_operation_duration_seconds", &labels),
            timed: None,
        }
    }

    /// The message of this position was handed to the producer.
    pub fn handed_over(&mut self, position: Position) {
        self.messages.increment(1);
        self.timed.get_or_insert_with(|| (position, clock::monotonic()));
    }

    /// Everything up to this position is acknowledged.
    pub fn acknowledged(&mut self, up_to: Position) {
        if let Some((_, begun)) = self.timed.take_if(|(position, _)| *position <= up_to) {
            self.duration.record(begun.elapsed());
        }
    }
}

/// So many messages of a topic came with one poll, which took from the first of them until now.
pub fn polled(topic: &str, group: &str, count: u64, begun: Instant) {
    let labels = consumed(topic, group, "poll");
    counter!("messaging_client_consumed_messages_total", &labels).increment(count);
    histogram!("messaging_client_operation_duration_seconds", &labels).record(begun.elapsed());
}

/// Work on a batch of messages; measured until it is dropped.
#[must_use = "it measures until it is dropped"]
pub struct Processing {
    duration: Histogram,
    begun: Instant,
}

impl Processing {
    /// The work begins.
    pub fn of(topic: &str, group: &str, projection: &'static str) -> Self {
        let [system, operation, destination, group] = consumed(topic, group, "process");
        let labels = [system, operation, destination, group, ("projection", projection.to_owned())];
        Self { duration: histogram!("messaging_process_duration_seconds", &labels), begun: clock::monotonic() }
    }
}

impl Drop for Processing {
    fn drop(&mut self) {
        self.duration.record(self.begun.elapsed());
    }
}

fn consumed(topic: &str, group: &str, operation: &str) -> [(&'static str, String); 4] {
    [
        ("messaging_system", SYSTEM.to_owned()),
        ("messaging_operation_name", operation.to_owned()),
        ("messaging_destination_name", topic.to_owned()),
        ("messaging_consumer_group_name", group.to_owned()),
    ]
}
