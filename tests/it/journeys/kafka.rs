//! What stands in a topic, read by a plain consumer that knows nothing of ours but the header names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use envelope::Position;
use event_schemas::{Context, PARTITIONS};
use handsel::spine::Spine;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tests::{TestBroker, until};

const TOPIC_WAIT_MAX: Duration = Duration::from_secs(60);
/// After so long without a record there is none.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Every event is there at least once, first occurrences per aggregate in order of sequence, payload byte for byte.
pub(super) async fn topic_holds_the_store(broker: &TestBroker, spine: &Spine, context: Context) {
    let reader = spine.stores[&context].reader();
    let head = reader.head().await.unwrap().position;
    until("the relay is at the head", TOPIC_WAIT_MAX, || async {
        reader.relay_row().await.unwrap().is_some_and(|relay| relay.checkpoint >= head)
    })
    .await;
    let stored = reader.after(Position::ZERO, i64::MAX).await.unwrap();
    let records = read(broker, context, stored.len()).await;
    let mut firsts: BTreeMap<String, (String, i64, Vec<u8>)> = BTreeMap::new();
    let mut last_sequence: BTreeMap<String, i64> = BTreeMap::new();
    for record in records {
        if firsts.contains_key(&record.id) {
            continue;
        }
        let expected = last_sequence.entry(record.key.clone()).or_default();
        *expected += 1;
        assert_eq!(record.sequence, *expected, "the events of {} come in order", record.key);
        firsts.insert(record.id, (record.key, record.sequence, record.payload));
    }
    assert_eq!(firsts.len(), stored.len(), "every event is in the topic");
    for event in stored {
        let (key, sequence, payload) = &firsts[&event.event_id.to_string()];
        assert_eq!((key, *sequence), (&event.aggregate_id, event.sequence));
        assert_eq!(payload, event.data.get().as_bytes());
    }
}

struct Record {
    id: String,
    key: String,
    sequence: i64,
    payload: Vec<u8>,
}

/// From the beginning until so many different events have come, or nothing comes any more.
async fn read(broker: &TestBroker, context: Context, events: usize) -> Vec<Record> {
    let mut config = broker.client_config();
    config.set("group.id", "journey").set("enable.auto.commit", "false").set("fetch.wait.max.ms", "5");
    let topic = broker.topic(context);
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = config.create().unwrap();
        let mut assigned = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            assigned.add_partition_offset(&topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&assigned).unwrap();
        let (mut records, mut seen) = (Vec::new(), BTreeSet::new());
        while seen.len() < events {
            let Some(message) = consumer.poll(SILENCE_MAX) else { break };
            let record = record(&message.unwrap());
            seen.insert(record.id.clone());
            records.push(record);
        }
        records
    })
    .await
    .unwrap()
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().expect("CloudEvents have headers");
    let header = |name: &str| {
        let found = headers.iter().find(|header| header.key == name).and_then(|header| header.value);
        String::from_utf8(found.unwrap_or_default().to_vec()).unwrap()
    };
    Record {
        id: header("ce_id"),
        key: String::from_utf8(message.key().unwrap_or_default().to_vec()).unwrap(),
        sequence: header("ce_sequence").parse().unwrap(),
        payload: message.payload().unwrap_or_default().to_vec(),
    }
}
