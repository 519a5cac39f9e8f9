//! What stands in the topic: where its partitions end, single records of it, and how to empty it.

use std::collections::BTreeMap;
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

/// What stands at an offset of a partition.
type Found = BTreeMap<(i32, i64), Place>;

/// Which offset of a partition is looked at, by what is known of it and by where it begins and ends.
type Which = fn(&Kept, (i64, i64)) -> Option<i64>;

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
            .set("queued.min.messages", "1");
        Self { config, topic: topic.to_owned() }
    }

    /// Everything that decides where a producer starts.
    pub(crate) async fn look(&self, kept: &[Kept]) -> Result<Vec<Seen>, LogError> {
        let (log, kept) = (self.clone(), kept.to_vec());
        tokio::task::spawn_blocking(move || log.look_at(&kept)).await.unwrap_or(Err(LogError::Cancelled))
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

    /// Reads all partitions side by side: first their first records, then those at the last acknowledged offsets, then
    /// the last ones. Nothing is published meanwhile, and a broker is asked for one record as slowly as for six.
    fn look_at(&self, kept: &[Kept]) -> Result<Vec<Seen>, LogError> {
        let consumer: BaseConsumer = self.config.create()?;
        let partitions = || (0..).zip(kept);
        let bounds: Vec<(i64, i64)> =
            partitions().map(|(partition, _)| self.watermarks(&consumer, partition)).collect::<Result<_, _>>()?;
        let mut found = Found::new();
        let rounds: [Which; 3] = [|_, (low, _)| Some(low), |kept, _| kept.offset, |_, (_, end)| Some(end - 1)];
        for offset in rounds {
            let there = partitions().zip(&bounds).filter_map(|((partition, kept), (low, end))| {
                let offset = offset(kept, (*low, *end)).filter(|offset| (*low..*end).contains(offset))?;
                (!found.contains_key(&(partition, offset))).then_some((partition, offset))
            });
            let there: BTreeMap<i32, i64> = there.collect();
            self.records(&consumer, there, &mut found)?;
        }
        let seen = |((partition, kept), (low, end)): ((i32, &Kept), &(i64, i64))| {
            let place = |offset: i64| found.get(&(partition, offset)).copied().unwrap_or(Place::Nothing);
            let anchor = kept.offset.map_or(Place::Nothing, place);
            Seen { end: *end, low: *low, first: place(*low), anchor, last: place(*end - 1) }
        };
        Ok(partitions().zip(&bounds).map(seen).collect())
    }

    fn watermarks(&self, consumer: &BaseConsumer, partition: i32) -> Result<(i64, i64), KafkaError> {
        consumer.fetch_watermarks(&self.topic, partition, ANSWER_TIMEOUT)
    }

    /// Reads one record of each of these partitions, all at once.
    fn records(
        &self,
        consumer: &BaseConsumer,
        mut wanted: BTreeMap<i32, i64>,
        found: &mut Found,
    ) -> Result<(), LogError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let mut assignment = TopicPartitionList::new();
        for (partition, offset) in &wanted {
            assignment.add_partition_offset(&self.topic, *partition, Offset::Offset(*offset))?;
        }
        consumer.assign(&assignment)?;
        let deadline = Instant::now() + RECORD_TIMEOUT;
        while let Some((partition, offset)) = wanted.first_key_value().map(|(partition, offset)| (*partition, *offset))
        {
            let Some(polled) = consumer.poll(deadline.saturating_duration_since(Instant::now())) else {
                return Err(LogError::Silent { partition, offset });
            };
            let message = polled?;
            let at = message.partition();
            let Some(offset) = wanted.get(&at).copied().filter(|offset| message.offset() >= *offset) else { continue };
            let place = match message.offset() == offset {
                true => reading::mark(&message).map_or(Place::Foreign, Place::Ours),
                // What stands there is shown to no reader: the mark of a transaction, which is none of ours.
                false => Place::Foreign,
            };
            found.insert((at, offset), place);
            wanted.remove(&at);
        }
        Ok(())
    }
}
