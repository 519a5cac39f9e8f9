//! The records of a topic from its beginning to where it ended when it was looked at.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::relay::reading::{Delivered, RecordReader, Unreadable};

/// Records handed on at once.
const BATCH_RECORDS: usize = 2_000;
/// Batches that wait to be compared.
const QUEUE_BATCHES: usize = 2;
/// A broker that gives nothing for so long has nothing more to give.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// One record.
pub(super) struct Seen {
    pub(super) partition: usize,
    pub(super) offset: i64,
    pub(super) read: Result<Delivered, Unreadable>,
}

/// Records in batches, read by a thread that waits for whoever takes them.
pub(super) struct Records {
    batches: mpsc::Receiver<Vec<Seen>>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Records {
    pub(super) fn read(kafka: ClientConfig, topic: String, bounds: Vec<(i64, i64)>, context: Arc<str>) -> Self {
        let (sender, batches) = mpsc::channel(QUEUE_BATCHES);
        let read = move || read(kafka, &topic, &bounds, RecordReader::new(context), &sender);
        Self { batches, thread: Some(tokio::task::spawn_blocking(read)) }
    }

    /// The next batch; `None` at the end.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Vec<Seen>>> {
        if let Some(batch) = self.batches.recv().await {
            return Ok(Some(batch));
        }
        if let Some(thread) = self.thread.take() {
            thread.await.context("the task that read the topic ended early")??;
        }
        Ok(None)
    }
}

fn read(
    mut kafka: ClientConfig,
    topic: &str,
    bounds: &[(i64, i64)],
    mut reader: RecordReader,
    batches: &mpsc::Sender<Vec<Seen>>,
) -> anyhow::Result<()> {
    kafka
        // The group is a name that librdkafka wants; nobody joins it and nothing is committed to it.
        .set("group.id", "handsel-verify")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "20");
    let consumer: BaseConsumer = kafka.create()?;
    let mut open: Vec<bool> = bounds.iter().map(|(begin, end)| begin < end).collect();
    let mut assignment = TopicPartitionList::new();
    for (partition, (begin, _)) in bounds.iter().enumerate().filter(|(partition, _)| open[*partition]) {
        assignment.add_partition_offset(topic, i32::try_from(partition)?, Offset::Offset(*begin))?;
    }
    consumer.assign(&assignment)?;
    let mut batch = Vec::with_capacity(BATCH_RECORDS);
    while open.contains(&true) {
        match consumer.poll(SILENCE_MAX).with_context(|| format!("{topic} gave no record in time"))? {
            Ok(message) => {
                let (partition, offset) = (usize::try_from(message.partition())?, message.offset());
                let end = bounds[partition].1;
                if offset < end {
                    batch.push(Seen { partition, offset, read: reader.read(&message) });
                }
                open[partition] &= offset + 1 < end;
            }
            // What ends a log may be the mark of a transaction, which nobody is shown.
            Err(KafkaError::PartitionEOF(partition)) => open[usize::try_from(partition)?] = false,
            Err(error) => return Err(error).with_context(|| format!("reading {topic}")),
        }
        if batch.len() == BATCH_RECORDS && batches.blocking_send(std::mem::take(&mut batch)).is_err() {
            return Ok(());
        }
    }
    // Whoever asked may be gone.
    let _unread = batches.blocking_send(batch);
    Ok(())
}
