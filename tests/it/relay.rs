//! The relay on a real store and a real broker: whatever is done to either, an outside reader has everything at rest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event_store::relay::reading::{Delivered, RecordReader};
use event_store::relay::{Begin, EventNames, Publishing, Relay, RelayConfig, RelayState};
use event_store::{Store, StoreConfig};
use platform::kafka::partition_of;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use sqlx::PgPool;
use tests::{ETA_MAX, TestBroker, TestDatabase, broker, empty_database, until};
use tokio_util::sync::CancellationToken;

const PARTITIONS: i32 = 6;

struct Fixture {
    _database: TestDatabase,
    broker: TestBroker,
    store: Store,
    sql: PgPool,
    topic: String,
}

impl Fixture {
    async fn new(name: &str) -> Self {
        let (database, broker) = (empty_database().await, broker().await);
        let config = StoreConfig::new("parcels", database.url());
        Store::migrate(&config).await.expect("an empty database can be migrated");
        let store = Store::open(config).await.expect("it was migrated");
        let joint = if database.url().contains('?') { '&' } else { '?' };
        let url = format!("{}{joint}options=-csearch_path%3Des_parcels", database.url());
        let sql = PgPool::connect(&url).await.expect("the server answers");
        let topic = format!("{}relay-{name}-{}", broker.prefix(), uuid::Uuid::now_v7());
        Self { _database: database, broker, store, sql, topic }
    }

    /// Events as an appender would leave them, of fifty parcels.
    async fn append(&self, count: i64) {
        self.append_at(count, "to_timestamp(1700000000)").await;
    }

    async fn append_at(&self, count: i64, recorded_at: &str) {
        let insert = format!(
            "insert into events
             select h + g, 'parcel', 'parcel-' || (h + g) % 50, (h + g) / 50 + 1, gen_random_uuid(), 'ParcelSent', '1',
                    json_build_object('weight', h + g),
                    '{{\"actor\":\"tester\",\"correlation_id\":\"00000000-0000-0000-0000-000000000001\"}}',
                    {recorded_at}, sha256('')
               from generate_series(1, $1) g, (select coalesce(max(position), 0) h from events) head"
        );
        sqlx::query(&insert).bind(count).execute(&self.sql).await.expect("the store takes events");
    }

    fn relay(&self, stop: &CancellationToken) -> Relay {
        let names = |name: &str, version: &str| EventNames {
            event_type: format!("com.example.{name}.v{version}"),
            dataschema: format!("/schemas/{name}/{version}.json"),
        };
        let publishing =
            Publishing { topic: self.topic.clone(), source: "/services/parcels".to_owned(), names: Arc::new(names) };
        let config =
            RelayConfig { kafka: self.kafka(), publishing, begin: Begin::First, replication: None, heads: None };
        Relay::start(&self.store, config, stop.clone())
    }

    fn kafka(&self) -> ClientConfig {
        self.broker.client_config()
    }

    /// Deletes what stands before an offset.
    async fn cut_head(&self, partition: i32, before: i64) {
        let mut cut = TopicPartitionList::new();
        cut.add_partition_offset(&self.topic, partition, Offset::Offset(before)).expect("the offset is valid");
        let admin: AdminClient<DefaultClientContext> = self.kafka().create().expect("the settings are valid");
        admin.delete_records(&cut, &AdminOptions::new()).await.expect("the broker deletes them");
    }

    /// Reads the topic as an outsider does, until it has so many events or time is up.
    fn read(&self, events: usize) -> BTreeMap<i32, Vec<i64>> {
        let mut config = self.kafka();
        config.set("group.id", "outsider").set("enable.auto.commit", "false").set("fetch.wait.max.ms", "20");
        config.set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer = config.create().expect("the settings are valid");
        let mut assignment = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            let offset = Offset::Beginning;
            assignment.add_partition_offset(&self.topic, partition, offset).expect("the offset is valid");
        }
        consumer.assign(&assignment).expect("partitions can be assigned");
        let mut reader = RecordReader::new("parcels".into());
        let mut taken: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
        let deadline = Instant::now() + Duration::from_secs(10);
        while taken.values().map(Vec::len).sum::<usize>() < events && Instant::now() < deadline {
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) else { continue };
            let Delivered { event, previous, history } = reader.read(&message).expect("only relays write here");
            assert_eq!(history, self.store.history());
            assert_eq!(message.partition(), partition_of(&event.aggregate_id, PARTITIONS));
            let partition = taken.entry(message.partition()).or_default();
            let highest = partition.last().copied().unwrap_or(0);
            if previous.get() <= highest && highest < event.position.get() {
                partition.push(event.position.get());
            }
        }
        taken
    }

    /// Every event stands in the topic once by the reader's rule, in order.
    async fn is_whole(&self, count: i64) {
        let mut whole: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
        for position in 1..=count {
            whole.entry(partition_of(&format!("parcel-{}", position % 50), PARTITIONS)).or_default().push(position);
        }
        let read = tokio::task::block_in_place(|| self.read(usize::try_from(count).expect("it is positive")));
        assert_eq!(read, whole);
    }
}

async fn at_rest(relay: &Relay, count: i64) {
    let state = relay.state();
    let done = || {
        let now = state.borrow().clone();
        async move {
            tracing::debug!(%now, "The relay");
            matches!(&now, RelayState::Publishing { checkpoint, .. } if checkpoint.get() >= count)
        }
    };
    until("the relay has published everything", Duration::from_secs(40), done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_arrives_in_order_and_names_the_one_before_it() {
    let fixture = Fixture::new("order").await;
    let stop = CancellationToken::new();
    let relay = fixture.relay(&stop);
    fixture.append(500).await;
    at_rest(&relay, 500).await;
    fixture.append(70).await;
    at_rest(&relay, 570).await;
    fixture.is_whole(570).await;
    stop.cancel();
    relay.ended().await;
    let row = fixture.store.reader().relay_row().await.expect("the server answers").expect("a relay has run");
    assert_eq!(row.checkpoint.get(), 570);
}

/// A clock of Postgres that was ahead for a while must not hold up everything that comes after.
#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_day_to_come_are_published_today() {
    let fixture = Fixture::new("tomorrow").await;
    let stop = CancellationToken::new();
    let relay = fixture.relay(&stop);
    fixture.append_at(50, "now() + interval '2 days'").await;
    fixture.append(50).await;
    at_rest(&relay, 100).await;
    fixture.is_whole(100).await;
    stop.cancel();
    relay.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_relay_is_followed_by_one_that_leaves_nothing_out() {
    let fixture = Fixture::new("killed").await;
    fixture.append(5_000).await;
    for _ in 0..3 {
        let relay = fixture.relay(&CancellationToken::new());
        let state = relay.state();
        let leads = || {
            let leads = matches!(&*state.borrow(), RelayState::Publishing { .. });
            async move { leads }
        };
        until("the relay leads", ETA_MAX, leads).await;
        fixture.append(100).await;
        relay.kill();
    }
    let relay = fixture.relay(&CancellationToken::new());
    at_rest(&relay, 5_300).await;
    fixture.is_whole(5_300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_relays_one_leads_and_the_other_takes_over() {
    let fixture = Fixture::new("two").await;
    fixture.append(100).await;
    let (first_stop, second_stop) = (CancellationToken::new(), CancellationToken::new());
    let first = fixture.relay(&first_stop);
    at_rest(&first, 100).await;
    let second = fixture.relay(&second_stop);
    let state = second.state();
    let stands_by = || {
        let stands_by = *state.borrow() == RelayState::Standby;
        async move { stands_by }
    };
    until("the second stands by", ETA_MAX, stands_by).await;
    first_stop.cancel();
    first.ended().await;
    fixture.append(50).await;
    at_rest(&second, 150).await;
    fixture.is_whole(150).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_wiped_under_a_live_relay_is_filled_again() {
    let fixture = Fixture::new("wiped").await;
    let relay = fixture.relay(&CancellationToken::new());
    fixture.append(200).await;
    at_rest(&relay, 200).await;
    let admin: AdminClient<DefaultClientContext> = fixture.kafka().create().expect("the settings are valid");
    admin.delete_topics(&[&fixture.topic], &AdminOptions::new()).await.expect("the broker deletes it");
    fixture.append(100).await;
    until("the topic is whole again", Duration::from_secs(60), async || {
        tokio::task::block_in_place(|| fixture.read(300)).values().map(Vec::len).sum::<usize>() == 300
    })
    .await;
    fixture.is_whole(300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_head_is_cut_off_under_a_live_relay_is_filled_again() {
    let fixture = Fixture::new("beheaded").await;
    fixture.append(300).await;
    let relay = fixture.relay(&CancellationToken::new());
    at_rest(&relay, 300).await;
    fixture.cut_head(2, 5).await;
    // It looks every ten seconds.
    until("the topic is whole again", Duration::from_secs(60), async || {
        tokio::task::block_in_place(|| fixture.read(300)).values().map(Vec::len).sum::<usize>() == 300
    })
    .await;
    fixture.is_whole(300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_head_was_cut_off_is_filled_again_at_the_next_start() {
    let fixture = Fixture::new("cut").await;
    fixture.append(300).await;
    let stop = CancellationToken::new();
    let relay = fixture.relay(&stop);
    at_rest(&relay, 300).await;
    stop.cancel();
    relay.ended().await;
    fixture.cut_head(2, 5).await;
    let relay = fixture.relay(&CancellationToken::new());
    at_rest(&relay, 300).await;
    fixture.is_whole(300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_published_whole() {
    let fixture = Fixture::new("backlog").await;
    fixture.append(100_000).await;
    let began = Instant::now();
    let relay = fixture.relay(&CancellationToken::new());
    at_rest(&relay, 100_000).await;
    let rate = 100_000.0 / began.elapsed().as_secs_f64();
    eprintln!("a backlog of 100,000 events was published at {rate:.0} events/s");
    fixture.is_whole(100_000).await;
}
