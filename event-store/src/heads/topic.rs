//! The topic that holds the signed heads of all stores of an instance: a second place, on other machines.

use std::time::Duration;

use anyhow::Context as _;
use platform::kafka::topics::{self, Topic};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message as _, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::judge::Collected;
use super::statement::SignedHead;

/// Heads are few, and one partition keeps them in the order in which they were signed.
const PARTITIONS: i32 = 1;
/// How long a broker may take to take a head.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// A broker that gives nothing for so long has nothing more to give.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The topic as it should be: kept for ever, as the topics of events are.
#[must_use]
pub fn declared(name: &str, replication: Option<i32>) -> Topic {
    Topic { replication, ..Topic::events(name, PARTITIONS) }
}

/// Publishes one head under its context. The topic must be there.
///
/// # Errors
/// If the broker is away or refuses.
pub async fn publish(kafka: &ClientConfig, topic: &str, head: &SignedHead) -> anyhow::Result<()> {
    let mut config = kafka.clone();
    config.set("acks", "all").set("message.timeout.ms", ANSWER_TIMEOUT.as_millis().to_string());
    // A producer for each head: they are seconds apart, and one that is idle costs more than one that is made.
    let producer: FutureProducer = config.create()?;
    let (key, line) = (&head.statement.context, head.to_line()?);
    let headers = OwnedHeaders::new().insert(Header { key: "content-type", value: Some("application/json") });
    let record = FutureRecord::to(topic).partition(0).key(key.as_str()).payload(line.as_str()).headers(headers);
    let sent = producer.send(record, ANSWER_TIMEOUT).await;
    // Its thread is joined when it goes. Nobody waits for that: usually it takes a tenth of a second, and as many hours
    // as the machine's clock was set back meanwhile, because librdkafka waits until a time of day.
    drop(tokio::task::spawn_blocking(move || drop(producer)));
    sent.map_err(|(error, _)| error)?;
    Ok(())
}

/// Makes the topic if need be, then publishes.
///
/// # Errors
/// As [`publish`], or if the topic has another shape.
pub async fn ensure_and_publish(
    kafka: &ClientConfig,
    topic: &str,
    replication: Option<i32>,
    head: &SignedHead,
) -> anyhow::Result<()> {
    topics::ensure(kafka, &[declared(topic, replication)]).await?;
    publish(kafka, topic, head).await
}

/// The heads of one context, from the beginning of the topic to where it ends now; none if there is no such topic.
///
/// # Errors
/// If the broker is away.
pub async fn read(kafka: &ClientConfig, topic: &str, context: &str) -> anyhow::Result<Collected> {
    let (config, name, context) = (kafka.clone(), topic.to_owned(), context.to_owned());
    let reading = move || read_all(config, &name, &context);
    let read = tokio::task::spawn_blocking(reading).await.context("the task that read the heads ended early")?;
    read.with_context(|| format!("reading {topic}"))
}

fn read_all(mut kafka: ClientConfig, topic: &str, context: &str) -> anyhow::Result<Collected> {
    kafka
        // The group is a name that librdkafka wants; nobody joins it and nothing is committed to it.
        .set("group.id", "handsel-heads")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "20");
    let consumer: BaseConsumer = kafka.create()?;
    let mut collected = Collected::default();
    let (low, end) = match consumer.fetch_watermarks(topic, 0, ANSWER_TIMEOUT) {
        Ok(bounds) => bounds,
        Err(error) if is_unknown(&error) => return Ok(collected),
        Err(error) => return Err(error.into()),
    };
    if low >= end {
        return Ok(collected);
    }
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, Offset::Offset(low))?;
    consumer.assign(&assignment)?;
    loop {
        match consumer.poll(SILENCE_MAX).context("it gave no record in time")? {
            Ok(message) => {
                let offset = message.offset();
                if offset < end && message.key() == Some(context.as_bytes()) {
                    match serde_json::from_slice(message.payload().unwrap_or_default()) {
                        Ok(head) => collected.heads.push(head),
                        Err(error) => {
                            collected.unreadable.push((format!("{topic}, offset {offset}"), error.to_string()));
                        }
                    }
                }
                if offset + 1 >= end {
                    return Ok(collected);
                }
            }
            // What ends a log may be the mark of a transaction, which nobody is shown.
            Err(KafkaError::PartitionEOF(_)) => return Ok(collected),
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_unknown(error: &KafkaError) -> bool {
    let unknown =
        [RDKafkaErrorCode::UnknownTopic, RDKafkaErrorCode::UnknownPartition, RDKafkaErrorCode::UnknownTopicOrPartition];
    error.rdkafka_error_code().is_some_and(|code| unknown.contains(&code))
}
