//! What the consumer brings, read: records of ours, and what the broker refuses.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event_schemas::Context;
use event_store::relay::reading::{RecordReader, Unreadable};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};

use crate::checkpoint::{Place, Stamp};
use crate::feed::Incoming;
use crate::refusals::is_refusal;
use crate::stores::bytes_of;

/// How often the same trouble is told.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The records of one poll after another.
pub(crate) struct Records {
    topics: BTreeMap<String, (Arc<str>, Context, RecordReader)>,
    taken: Vec<Incoming>,
    bytes: usize,
    refusal: Option<String>,
    warned: Warned,
}

impl Records {
    pub(crate) fn of(topics: &BTreeMap<Context, String>) -> Self {
        let reader = |(context, topic): (&Context, &String)| {
            (topic.clone(), (topic.as_str().into(), *context, RecordReader::new(context.name().into())))
        };
        let topics = topics.iter().map(reader).collect();
        Self { topics, taken: Vec::new(), bytes: 0, refusal: None, warned: Warned::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.taken.len()
    }

    /// About what they take in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What was taken; the next poll begins.
    pub(crate) fn poll(&mut self) -> Vec<Incoming> {
        self.bytes = 0;
        std::mem::take(&mut self.taken)
    }

    /// What the broker refused since this was asked.
    pub(crate) fn refusal(&mut self) -> Option<String> {
        self.refusal.take()
    }

    /// A record that cannot be read is left out: the next one shows the gap, which the store fills.
    pub(crate) fn take(&mut self, message: KafkaResult<BorrowedMessage<'_>>) {
        let message = match message {
            Ok(message) => message,
            Err(error) => return self.trouble(&error),
        };
        let Some((topic, context, reader)) = self.topics.get_mut(message.topic()) else { return };
        match incoming(topic, *context, reader, &message) {
            Ok(record) => {
                self.bytes += bytes_of(&record.event);
                self.taken.push(record);
            }
            Err(error) => tracing::warn!(
                topic = message.topic(),
                partition = message.partition(),
                offset = message.offset(),
                %error,
                "Left out a record that is not one of ours"
            ),
        }
    }

    fn trouble(&mut self, error: &KafkaError) {
        let code = error.rdkafka_error_code();
        if let Some(code) = code.filter(|code| is_refusal(*code)) {
            self.refusal = Some(format!("the Kafka broker refuses the topics: {code}"));
        }
        if self.warned.is_due(code, platform::clock::monotonic()) {
            tracing::warn!(%error, "The consumer has trouble; meanwhile projections read the stores");
        } else {
            tracing::debug!(%error, "The consumer met an error and goes on");
        }
    }
}

fn incoming(
    topic: &Arc<str>,
    context: Context,
    reader: &mut RecordReader,
    message: &BorrowedMessage<'_>,
) -> Result<Incoming, Unreadable> {
    let delivered = reader.read(message)?;
    let stamp = Stamp {
        place: Place { context, partition: message.partition() },
        history: delivered.history,
        previous: delivered.previous,
        position: delivered.event.position,
        event_id: delivered.event.event_id,
        offset: message.offset(),
    };
    Ok(Incoming { topic: topic.clone(), stamp, event: delivered.event })
}

/// When each kind of trouble was last told.
#[derive(Default)]
struct Warned(Vec<(Option<RDKafkaErrorCode>, Instant)>);

impl Warned {
    fn is_due(&mut self, code: Option<RDKafkaErrorCode>, now: Instant) -> bool {
        self.0.retain(|(_, at)| now.duration_since(*at) < WARN_EVERY);
        let is_due = self.0.iter().all(|(known, _)| *known != code);
        if is_due {
            self.0.push((code, now));
        }
        is_due
    }
}

#[cfg(test)]
mod tests;
