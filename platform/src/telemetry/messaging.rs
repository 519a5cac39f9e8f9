//! Spans of messages, named by the semantic conventions 1.42. Later ones rename attributes; the names are only here.

mod measures;

use std::fmt::Display;

use tracing::field::Empty;
use tracing::{Span, info_span};

use super::exports_traces;
use crate::traceparent::TraceParent;

pub use measures::{Processing, Sending, polled};

/// A batch is linked to at most so many of its messages.
const LINKS_MAX: usize = 64;

/// One message handed to the producer, as a step of the trace that caused it. No span if that trace is not recorded.
#[must_use]
pub fn send(topic: &str, partition: i32, key: &str, id: impl Display, cause: Option<&str>) -> Span {
    let Some(cause) = recorded(cause) else { return Span::none() };
    let span = info_span!(
        "send",
        otel.name = format!("send {topic}"),
        otel.kind = "producer",
        messaging.system = "kafka",
        messaging.operation.name = "send",
        messaging.operation.type = "send",
        messaging.destination.name = topic,
        messaging.destination.partition.id = partition.to_string(),
        messaging.kafka.message.key = key,
        messaging.message.id = id.to_string(),
    );
    cause.adopt(&span);
    span
}

/// Work on a batch of messages, linked to what caused them. No span if no trace of theirs is recorded.
pub fn process<'t>(
    topic: &str,
    group: &str,
    (partition, offset): (i32, i64),
    causes: impl Iterator<Item = Option<&'t str>>,
) -> Span {
    let span = consume(("process", "process"), topic, group, causes);
    span.record("messaging.destination.partition.id", partition.to_string());
    span.record("messaging.kafka.offset", offset);
    span
}

/// What one poll brought of a topic, linked to what caused it. No span if no trace of it is recorded.
pub fn poll<'t>(topic: &str, group: &str, count: u64, causes: impl Iterator<Item = Option<&'t str>>) -> Span {
    let span = consume(("poll", "receive"), topic, group, causes);
    span.record("messaging.batch.message_count", count);
    span
}

/// A step of a consumer: its name and its kind.
fn consume<'t>(
    (operation, kind): (&str, &str),
    topic: &str,
    group: &str,
    causes: impl Iterator<Item = Option<&'t str>>,
) -> Span {
    // Without a look at the batch where no trace leaves this process.
    let causes: Vec<TraceParent> =
        if exports_traces() { causes.filter_map(recorded).take(LINKS_MAX).collect() } else { vec![] };
    if causes.is_empty() {
        return Span::none();
    }
    let span = info_span!(
        parent: None,
        "consume",
        otel.name = format!("{operation} {topic}"),
        otel.kind = "consumer",
        messaging.system = "kafka",
        messaging.operation.name = operation,
        messaging.operation.type = kind,
        messaging.destination.name = topic,
        messaging.destination.partition.id = Empty,
        messaging.consumer.group.name = group,
        messaging.kafka.offset = Empty,
        messaging.batch.message_count = Empty,
        projection = Empty,
    );
    causes.iter().for_each(|cause| cause.link(&span));
    span
}

fn recorded(cause: Option<&str>) -> Option<TraceParent> {
    let cause: TraceParent = cause.filter(|_| exports_traces())?.parse().ok()?;
    cause.sampled.then_some(cause)
}
