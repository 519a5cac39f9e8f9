use tansu_sans_io::record::{Record, inflated};
use tokio::time::Instant;

use super::*;

async fn memory(partitions: i32) -> Memory {
    let storage = super::super::storage(([127, 0, 0, 1], 9).into(), tokio_util::sync::CancellationToken::new()).await;
    let memory = Memory::new(storage.expect("a storage in memory"));
    let topic = CreatableTopic::default()
        .name("events".to_owned())
        .num_partitions(partitions)
        .replication_factor(1)
        .assignments(Some(vec![]))
        .configs(Some(vec![]));
    memory.create_topic(topic, false).await.expect("a new topic");
    memory
}

fn batch() -> deflated::Batch {
    let record = Record::builder().value(bytes::Bytes::from_static(b"hello").into());
    let batch = inflated::Batch::builder().record(record).producer_id(-1).build().expect("a batch");
    batch.try_into().expect("it can be encoded")
}

async fn fetch(memory: &Memory, partition: i32, offset: i64) -> usize {
    let partition = Topition::new("events", partition);
    let fetched = memory.fetch(&partition, offset, 1, 1 << 20, IsolationLevel::ReadCommitted).await;
    fetched.expect("the partition exists").len()
}

/// One that waits for so long that no test sees the end of it.
async fn patient(memory: &Memory) -> Memory {
    let consumer = memory.connected();
    consumer.reading.lock().await.wait_max = Duration::from_secs(3600);
    consumer
}

async fn waits(fetch: impl Future<Output = usize>) -> bool {
    tokio::time::timeout(Duration::from_millis(50), fetch).await.is_err()
}

#[tokio::test]
async fn who_found_nothing_anywhere_waits_a_moment() {
    let consumer = memory(2).await.connected();
    let begun = Instant::now();
    assert_eq!((fetch(&consumer, 0, 0).await, fetch(&consumer, 1, 0).await), (0, 0));
    assert!(begun.elapsed() >= QUIET_WAIT_MAX);
}

#[tokio::test]
async fn the_wait_is_for_whoever_has_asked_everywhere() {
    let consumer = patient(&memory(2).await).await;
    assert_eq!(fetch(&consumer, 0, 0).await, 0);
    assert!(waits(fetch(&consumer, 1, 0)).await);
}

#[tokio::test]
async fn who_asks_in_another_order_has_not_asked_everywhere() {
    let consumer = patient(&memory(3).await).await;
    for partition in [0, 1, 0, 1, 0] {
        assert_eq!(fetch(&consumer, partition, 0).await, 0);
    }
    assert!(waits(fetch(&consumer, 2, 0)).await);
}

#[tokio::test]
async fn what_is_written_ends_the_wait() {
    let memory = memory(2).await;
    let consumer = patient(&memory).await;
    assert_eq!(fetch(&consumer, 0, 0).await, 0);
    let written = async { memory.produce(None, &Topition::new("events", 0), batch()).await.expect("it is taken") };
    assert_eq!(tokio::join!(fetch(&consumer, 1, 0), written), (0, 0));
    assert_eq!(fetch(&consumer, 0, 0).await, 1);
}

#[tokio::test]
async fn what_was_waited_for_is_given_at_once() {
    let memory = memory(1).await;
    let consumer = patient(&memory).await;
    let written = async { memory.produce(None, &Topition::new("events", 0), batch()).await.expect("it is taken") };
    assert_eq!(tokio::join!(fetch(&consumer, 0, 0), written), (1, 0));
}

#[tokio::test]
async fn what_is_written_between_two_looks_is_not_waited_past() {
    let memory = memory(2).await;
    let consumer = patient(&memory).await;
    assert_eq!(fetch(&consumer, 0, 0).await, 0);
    memory.produce(None, &Topition::new("events", 0), batch()).await.expect("it is taken");
    assert_eq!(fetch(&consumer, 1, 0).await, 0);
}

#[tokio::test]
async fn who_was_given_records_has_them_before_it_waits() {
    let memory = memory(2).await;
    let consumer = patient(&memory).await;
    memory.produce(None, &Topition::new("events", 0), batch()).await.expect("it is taken");
    assert_eq!(fetch(&consumer, 0, 0).await, 1);
    assert_eq!((fetch(&consumer, 0, 1).await, fetch(&consumer, 1, 0).await), (0, 0), "the same request goes on");
    assert_eq!(fetch(&consumer, 0, 1).await, 0);
    assert!(waits(fetch(&consumer, 1, 0)).await);
}
