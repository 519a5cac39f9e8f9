//! The consumer of this process: which topics it reads, and where it begins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use event_schemas::Context;
use platform::clock;
use platform::postgres::{answered, lend};
use rdkafka::ClientConfig;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;

use crate::checkpoint::Place;
use crate::offsets::{Answers, TopicConsumer};
use crate::records::Records;
use crate::refusals::Refusals;

/// Where a topic of which nothing is known yet is begun, counted from its end: what lies before is read from the store.
const TAIL_RECORDS: i64 = 1_000;
/// How long the views may leave the question for known offsets unanswered.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// How the consumer reads.
pub(crate) struct Consuming {
    pub(crate) kafka: ClientConfig,
    /// The broker forgets everything at its end and is read from its beginning.
    pub(crate) embedded: bool,
    /// The topic of each context.
    pub(crate) topics: BTreeMap<Context, String>,
    pub(crate) partitions: BTreeSet<i32>,
    /// Who wants to know the consumer.
    pub(crate) opened: watch::Sender<Option<Arc<TopicConsumer>>>,
}

/// Why there is no consumer yet.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("no Kafka client can be made of these settings: {0}")]
    Client(#[from] KafkaError),
    #[error("the views do not tell where to begin: {0}")]
    Views(#[from] sqlx::Error),
}

impl Consuming {
    /// Makes the consumer, however long that takes; meanwhile projections read the stores alone.
    pub(crate) async fn open(&self, group: &str, views: &PgPool, refusals: &Refusals) -> TopicConsumer {
        let mut pause = RETRY_MIN;
        loop {
            match self.start(group, views).await {
                Ok(consumer) => return consumer,
                Err(error) => {
                    tracing::warn!(%error, "No consumer could be made; projections read the stores alone");
                    if matches!(error, Closed::Client(_)) {
                        refusals.note(error.to_string(), clock::monotonic());
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    /// What reads the records of its topics.
    pub(crate) fn records(&self) -> Records {
        Records::of(&self.topics)
    }

    async fn start(&self, group: &str, views: &PgPool) -> Result<TopicConsumer, Closed> {
        let mut config = self.kafka.clone();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.error.backoff.ms", "50")
            .set("topic.metadata.refresh.interval.ms", "30000")
            .set("queued.max.messages.kbytes", "16384");
        if config.get("fetch.wait.max.ms").is_none() {
            // The embedded broker sleeps for so long even with data in hand, and waits for it before; others answer at
            // once.
            config.set("fetch.wait.max.ms", if self.embedded { "2" } else { "500" });
        }
        let consumer: TopicConsumer = config.create_with_context(Answers)?;
        let known = if self.embedded { vec![] } else { known_offsets(views).await? };
        let mut list = TopicPartitionList::new();
        for (context, topic) in &self.topics {
            for partition in &self.partitions {
                let place = Place { context: *context, partition: *partition };
                let offset = match known.iter().find(|(known, _)| *known == place) {
                    _ if self.embedded => Offset::Beginning,
                    Some((_, offset)) => Offset::Offset(offset + 1),
                    None => Offset::OffsetTail(TAIL_RECORDS),
                };
                list.add_partition_offset(topic, *partition, offset)?;
            }
        }
        consumer.assign(&list)?;
        Ok(consumer)
    }
}

/// Where the projection that is furthest behind has come to. Only a hint: the filter and the store make up for a wrong
/// one.
async fn known_offsets(views: &PgPool) -> sqlx::Result<Vec<(Place, i64)>> {
    let mut connection = lend(views).await?;
    let offsets = answered(ANSWER_WAIT_MAX, read_offsets(&mut connection)).await?;
    connection.give_back();
    Ok(offsets)
}

async fn read_offsets(db: &mut PgConnection) -> sqlx::Result<Vec<(Place, i64)>> {
    let rows: Vec<(String, i32, i64)> = sqlx::query_as(
        "select context, partition, min(topic_offset) from read.checkpoints
           join read.generations using (projection, generation)
          where state = 'live' and topic_offset is not null group by context, partition",
    )
    .fetch_all(db)
    .await?;
    let place = |(context, partition, offset): (String, i32, i64)| {
        Some((Place { context: context.parse().ok()?, partition }, offset))
    };
    Ok(rows.into_iter().filter_map(place).collect())
}
