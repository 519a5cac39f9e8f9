//! Spans of messages, named by the semantic conventions 1.42. Later ones rename attributes; the names are only here.

use std::fmt::Display;

use tracing::{Span, info_span};

use super::exports_traces;
use crate::traceparent::TraceParent;

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
    if !exports_traces() {
        return Span::none();
    }
    let causes: Vec<TraceParent> = causes.filter_map(recorded).take(LINKS_MAX).collect();
    if causes.is_empty() {
        return Span::none();
    }
    let span = info_span!(
        parent: None,
        "process",
        otel.name = format!("process {topic}"),
        otel.kind = "consumer",
        messaging.system = "kafka",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.destination.name = topic,
        messaging.destination.partition.id = partition.to_string(),
        messaging.consumer.group.name = group,
        messaging.kafka.offset = offset,
        projection = tracing::field::Empty,
    );
    causes.iter().for_each(|cause| cause.link(&span));
    span
}

fn recorded(cause: Option<&str>) -> Option<TraceParent> {
    let cause: TraceParent = cause.filter(|_| exports_traces())?.parse().ok()?;
    cause.sampled.then_some(cause)
}
