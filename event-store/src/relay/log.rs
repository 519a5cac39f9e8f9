//! What stands in the topic: where its partitions end, single records of it, and how to empty it.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::cursor::Kept;
use super::reading;
use super::start::{Place, Seen};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one record may be waited for. Nothing is published meanwhile, but asking again would only begin anew, and a
/// broker on a machine that is busy otherwise takes its time.
const RECORD_TIMEOUT: Duration = Duration::from_secs(15);
/// One record is wanted and a broker gives at least one batch, however little is asked for.
const FETCH_BYTES: &str = "65536";

/// One topic of a broker.
#[derive(Clone)]
pub(crate) struct Log {
    config: ClientConfig,
    topic: String,
}

/// Why the log could not be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error("partition {partition} did not give its record at offset {offset} in time")]
    Silent { partition: i32, offset: i64 },
    #[error("the task that looked at the log ended early")]
    Cancelled,
}

impl Log {
    pub(crate) fn new(config: &ClientConfig, topic: &str) -> Self {
        let mut config = config.clone();
        config
            // The group is a name that librdkafka wants; nobody joins it and nothing is committed to it.
            .set("group.id", "handsel-relay")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "20")
            .set("max.partition.fetch.bytes", FETCH_BYTES)
            .set("fetch.max.bytes", FETCH_BYTES)
            // The limit above is silently raised to this one.
            .set("message.max.bytes", FETCH_BYTES)
            .set("queued.min.messages", "1")
            // A partition that has that many in hand is left alone for so long: a second, unless told otherwise, for
            // each record that is looked at.
            .set("fetch.queue.backoff.ms", "5");
        Self { config, topic: topic.to_owned() }
    }

    /// Everything that decides where a producer starts.
    pub(crate) async fn look(&self, kept: &[Kept]) -> Result<Vec<Seen>, LogError> {
        let (log, kept) = (self.clone(), kept.to_vec());
        let look = move || {
            let consumer: BaseConsumer = log.config.create()?;
            kept.iter().zip(0..).map(|(kept, partition)| log.look_at(&consumer, partition, kept)).collect()
        };
        tokio::task::spawn_blocking(look).await.unwrap_or(Err(LogError::Cancelled))
    }

    /// The offset that comes next, for each partition.
    pub(crate) async fn ends(&self, partitions: usize) -> Result<Vec<i64>, LogError> {
        Ok(self.bounds(partitions).await?.into_iter().map(|(_, end)| end).collect())
    }

    /// Where each partition begins, and the offset that comes next.
    pub(crate) async fn bounds(&self, partitions: usize) -> Result<Vec<(i64, i64)>, LogError> {
        let log = self.clone();
        let bounds = move || {
            let consumer: BaseConsumer = log.config.create()?;
            (0..partitions).zip(0..).map(|(_, partition)| Ok(log.watermarks(&consumer, partition)?)).collect()
        };
        tokio::task::spawn_blocking(bounds).await.unwrap_or(Err(LogError::Cancelled))
    }

    /// Deletes all records of these partitions. Offsets go on from where they are.
    pub(crate) async fn empty(&self, ends: &[(usize, i64)]) -> Result<(), KafkaError> {
        let mut offsets = TopicPartitionList::new();
        for (partition, end) in ends {
            let partition = i32::try_from(*partition).unwrap_or_default();
            offsets.add_partition_offset(&self.topic, partition, Offset::Offset(*end))?;
        }
        let admin: AdminClient<DefaultClientContext> = self.config.create()?;
        let options = AdminOptions::new().request_timeout(Some(ANSWER_TIMEOUT)).operation_timeout(Some(ANSWER_TIMEOUT));
        let answer = admin.delete_records(&offsets, &options).await?;
        answer.elements().iter().try_for_each(|partition| partition.error())
    }

    fn look_at(&self, consumer: &BaseConsumer, partition: i32, kept: &Kept) -> Result<Seen, LogError> {
        let (low, end) = self.watermarks(consumer, partition)?;
        let place = |offset: i64| {
            if (low..end).contains(&offset) { self.record(consumer, partition, offset) } else { Ok(Place::Nothing) }
        };
        let anchor = kept.offset.map_or(Ok(Place::Nothing), place)?;
        let last = if kept.offset == Some(end - 1) { anchor } else { place(end - 1)? };
        Ok(Seen { end, low, first: place(low)?, anchor, last })
    }

    fn watermarks(&self, consumer: &BaseConsumer, partition: i32) -> Result<(i64, i64), KafkaError> {
        consumer.fetch_watermarks(&self.topic, partition, ANSWER_TIMEOUT)
    }

    fn record(&self, consumer: &BaseConsumer, partition: i32, offset: i64) -> Result<Place, LogError> {
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        consumer.assign(&assignment)?;
        let deadline = Instant::now() + RECORD_TIMEOUT;
        while let Some(polled) = consumer.poll(deadline.saturating_duration_since(Instant::now())) {
            let message = polled?;
            if message.offset() == offset {
                return Ok(reading::mark(&message).map_or(Place::Foreign, Place::Ours));
            }
            if message.offset() > offset {
                // What stands there is shown to no reader: the mark of a transaction, which is none of ours.
                return Ok(Place::Foreign);
            }
        }
        Err(LogError::Silent { partition, offset })
    }
}
