//! The producer of one session. It is never repaired: librdkafka may drop a record, go on with the next ones and tell
//! only afterwards, so any error ends it and a new one starts from what is known to be in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use envelope::{Position, Recorded};
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig};
use tokio::sync::mpsc;

use crate::RawPayload;

/// What the broker said about one record.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) partition: usize,
    pub(crate) position: Position,
    /// Where it stands, `None` if the broker has it and did not say where.
    pub(crate) outcome: Result<Option<i64>, KafkaError>,
}

/// How many records may be under way. Larger windows gain nothing; smaller ones starve a broker across a network.
pub(crate) const IN_FLIGHT_RECORDS_MAX: usize = 20_000;

/// How long one poll for reports lasts; they are passed on at once all the same. rdkafka spins for the last millisecond
/// of each poll, which at the tenth of a second of its own polling thread costs 1 % of a core for each idle producer.
const POLL: Duration = Duration::from_secs(1);

pub(crate) struct Producer {
    client: Arc<BaseProducer<Reports>>,
    ended: Arc<AtomicBool>,
    topic: String,
}

/// Whether the producer took a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Taken,
    /// Its queue is full: offer the same record again after a report.
    Full,
}

impl Producer {
    /// A fresh producer, and the reports on what it is given.
    pub(crate) fn new(
        config: &ClientConfig,
        topic: &str,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Report>), KafkaError> {
        // Unbounded, because a callback of librdkafka must not wait; the window bounds it all the same.
        let (sender, reports) = mpsc::unbounded_channel();
        let mut config = config.clone();
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            // Never give up on a record: with a time-out it would be dropped and the next ones sent.
            .set("message.timeout.ms", if platform::faults::planted("error-is-acknowledged") { "1000" } else { "0" })
            // A topic that is gone is taken for one that is on its way for half a minute otherwise. Who is told so here
            // makes it again and begins a new session, which does no harm to a topic that was on its way.
            .set("topic.metadata.propagation.max.ms", "3000")
            .set("linger.ms", "0")
            .set("compression.type", "lz4")
            .set("queue.buffering.max.messages", (2 * IN_FLIGHT_RECORDS_MAX).to_string())
            .set("queue.buffering.max.kbytes", "65536");
        let client: Arc<BaseProducer<Reports>> = Arc::new(config.create_with_context(Reports(sender))?);
        let ended = Arc::new(AtomicBool::new(false));
        let (polled, until) = (client.clone(), ended.clone());
        let polling = move || {
            while !until.load(Ordering::Acquire) {
                polled.poll(POLL);
            }
        };
        thread::Builder::new()
            .name("relay reports".to_owned())
            .spawn(polling)
            .map_err(|error| KafkaError::ClientCreation(format!("its thread does not start: {error}")))?;
        Ok((Self { client, ended, topic: topic.to_owned() }, reports))
    }

    /// Where the events go.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// Hands over one event. librdkafka makes the only copy of the payload.
    pub(crate) fn send(
        &self,
        partition: usize,
        event: &Recorded<RawPayload>,
        headers: OwnedHeaders,
    ) -> Result<Sent, KafkaError> {
        let position = usize::try_from(event.position.get()).unwrap_or_default();
        let record = BaseRecord::with_opaque_to(&self.topic, position)
            .partition(i32::try_from(partition).unwrap_or_default())
            .key(event.aggregate_id.as_str())
            .payload(event.data.get())
            .headers(headers)
            .timestamp(event.recorded_at.micros() / 1_000);
        match self.client.send(record) {
            Ok(()) => Ok(Sent::Taken),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(Sent::Full),
            Err((error, _)) => Err(error),
        }
    }
}

impl Drop for Producer {
    /// Throws away what is under way: from here on nothing is sent. The client itself ends with its thread, one poll
    /// later.
    fn drop(&mut self) {
        self.client.purge(PurgeConfig::default().queue().inflight());
        self.ended.store(true, Ordering::Release);
    }
}

/// Passes delivery reports on to the session.
struct Reports(mpsc::UnboundedSender<Report>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, position: usize) {
        let (message, outcome) = match result {
            // A record that was repeated and refused as a repetition is in the log, at an offset nobody tells.
            Ok(message) => (message, Ok(Some(message.offset()).filter(|offset| *offset >= 0))),
            Err((error, message)) => (message, Err(error.clone())),
        };
        let partition = usize::try_from(message.partition()).unwrap_or(usize::MAX);
        let position = Position(i64::try_from(position).unwrap_or(i64::MAX));
        // The session may be over already: its reports are of no use any more.
        let _unread = self.0.send(Report { partition, position, outcome });
    }
}
