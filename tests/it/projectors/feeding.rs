//! The topic is the fast path: whatever it repeats, loses or forgets, the views have every event once.

use event_schemas::{Context, PARTITIONS};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use serde_json::json;
use tests::{ETA_MAX, until};

use super::offsets;
use super::world::{Given, World, order, order_id};

/// A broker in this process, and a relay that does what a test says.
struct Topic<'w> {
    world: &'w World,
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: FutureProducer,
    events: Vec<Given>,
}

impl<'w> Topic<'w> {
    fn new(world: &'w World) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        for context in Context::ALL {
            cluster.create_topic(context.topic(), PARTITIONS, 1).unwrap();
        }
        let producer = ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
        Self { world, cluster, producer, events: Vec::new() }
    }

    fn kafka(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.cluster.bootstrap_servers());
        config
    }

    async fn store(&mut self, events: Vec<Given>) {
        self.world.append(Context::Orders, &events).await;
        self.events.extend(events);
    }

    fn partition(&self, position: usize) -> i32 {
        platform::kafka::partition_of(&self.events[position - 1].aggregate.1.to_string(), PARTITIONS)
    }

    /// Publishes the event at a position as the relay would.
    async fn publish(&self, position: usize) {
        let event = &self.events[position - 1];
        let partition = self.partition(position);
        let previous = (1..position).rev().find(|earlier| self.partition(*earlier) == partition).unwrap_or(0);
        let history: uuid::Uuid =
            sqlx::query_scalar("select history from es_orders.store").fetch_one(&self.world.views).await.unwrap();
        let key = event.aggregate.1.to_string();
        let headers = [
            ("ce_id", event.event_id.to_string()),
            ("ce_time", "2026-01-01T00:00:00.000000Z".to_owned()),
            ("ce_sequence", event.sequence.to_string()),
            ("ce_aggregatetype", event.aggregate.0.to_owned()),
            ("ce_eventname", event.event_type.clone()),
            ("ce_eventversion", event.event_version.clone()),
            ("ce_actor", "test".to_owned()),
            ("ce_correlationid", event.event_id.to_string()),
            ("position", position.to_string()),
            ("previous", previous.to_string()),
            ("history", history.to_string()),
        ];
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let record = FutureRecord::to(Context::Orders.topic()).partition(partition).key(&key).headers(headers);
        self.producer.send(record.payload(&event.payload), std::time::Duration::from_secs(5)).await.unwrap();
    }

    async fn publish_all(&self, positions: impl IntoIterator<Item = usize>) {
        for position in positions {
            self.publish(position).await;
        }
    }
}

async fn shows(world: &World, orders: i64) {
    world.settled().await;
    assert_eq!(world.count("read.orders").await, orders);
    assert_eq!(world.rows("select orders from read.sales_summary").await, [json!({ "orders": orders })]);
    assert_eq!(world.count("read.parked").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_lost_and_forgotten_records_change_nothing() {
    let world = World::new().await;
    let mut topic = Topic::new(&world);
    let running = world.run_with(Some(topic.kafka()), None);
    topic.store((0..60).map(order).collect()).await;
    topic.publish_all(1..=60).await;
    shows(&world, 60).await;

    topic.store((60..120).map(order).collect()).await;
    topic.publish_all((61..=120).filter(|position| position % 7 != 0)).await;
    shows(&world, 120).await;

    topic.publish_all(100..=120).await;
    topic.publish_all(1..=120).await;
    topic.store((120..130).map(order).collect()).await;
    topic.publish_all(121..=130).await;
    shows(&world, 130).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_begins_empty_makes_views_slower_and_never_wrong() {
    let world = World::new().await;
    let mut topic = Topic::new(&world);
    let running = world.run_with(Some(topic.kafka()), None);
    topic.store((0..30).map(order).collect()).await;
    topic.publish_all(1..=30).await;
    shows(&world, 30).await;
    running.stop().await;

    let events = std::mem::take(&mut topic.events);
    let mut emptied = Topic { events, ..Topic::new(&world) };
    let running = world.run_with(Some(emptied.kafka()), None);
    emptied.store((30..60).map(order).collect()).await;
    emptied.publish_all(45..=60).await;
    shows(&world, 60).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_waits_is_served_from_the_store_when_the_topic_is_silent() {
    let world = World::new().await;
    let mut topic = Topic::new(&world);
    let running = world.run_with(Some(topic.kafka()), None);
    topic.store(vec![order(1)]).await;
    topic.publish(1).await;
    shows(&world, 1).await;
    topic.store(vec![order(2)]).await;
    let history = sqlx::query_scalar("select history from es_orders.store").fetch_one(&world.views).await.unwrap();
    let wanted = (envelope::History(history), envelope::Position(2));
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_millis(900);
    let seen = running.progress.wait("orders", "orders", topic.partition(2), wanted, deadline).await;
    assert_eq!(seen, Some(platform::progress::Seen::Reached { whole: true }));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_refuses_the_offsets_for_lag_tools_is_asked_again_with_the_next_ones() {
    let world = World::new().await;
    let mut topic = Topic::new(&world);
    let refusal = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED];
    topic.cluster.request_errors(RDKafkaApiKey::OffsetCommit, &refusal);
    let running = world.run_with(Some(topic.kafka()), None);
    topic.store((0..200).map(order).collect()).await;
    topic.publish_all(1..=30).await;
    let at = std::sync::atomic::AtomicUsize::new(31);
    until("the offsets are those of what was published", ETA_MAX, async || {
        let next = at.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        topic.publish_all(next.min(200)..=next.min(200)).await;
        let lags = offsets::lags(topic.kafka(), Context::Orders.topic(), "handsel.projector.v1");
        lags.len() > 1 && lags.iter().all(|(_, lag)| lag.is_some_and(|lag| lag <= 1))
    })
    .await;
    shows(&world, 200).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_projections_take_from_one_poll_is_written_in_one_transaction() {
    let world = World::new().await;
    let mut topic = Topic::new(&world);
    let running = world.run_with(Some(topic.kafka()), None);
    for number in 1..=20_u8 {
        topic.store(vec![order(number.into())]).await;
        topic.publish(number.into()).await;
        shows(&world, number.into()).await;
    }
    let shared = "read.orders_v1 o join read.customer_orders_v1 c using (order_id) where o.xmin = c.xmin";
    let shared = world.count(shared).await;
    assert!(shared >= 5, "{shared} of 20 events changed both views in one transaction");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_that_cannot_apply_an_event_does_not_hold_up_those_it_is_written_with() {
    let world = World::new().await;
    let mut topic = Topic::new(&world);
    let running = world.run_with(Some(topic.kafka()), None);
    topic.store(vec![order(1)]).await;
    topic.publish(1).await;
    shows(&world, 1).await;
    topic.store(vec![order(2), order(3)]).await;
    let in_the_way =
        "insert into read.orders_v1 select $1, customer, ordered_on, units, amount_minor, currency, version,
                                                        recorded_at from read.orders_v1";
    sqlx::query(in_the_way).bind(order_id(2)).execute(&world.views).await.unwrap();
    topic.publish_all(2..=3).await;
    world.until_count("read.customer_orders", 3).await;
    world.until_count("read.parked where projection = 'orders'", 1).await;
    world.until_count("read.orders", 3).await;
    topic.store(vec![order(4)]).await;
    topic.publish(4).await;
    world.until_count("read.customer_orders", 4).await;
    world.until_count("read.orders", 4).await;
    assert_eq!(world.count("read.parked").await, 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_that_waits_for_a_lock_does_not_hold_up_those_it_is_written_with() {
    let world = World::new().await;
    let mut topic = Topic::new(&world);
    let running = world.run_with(Some(topic.kafka()), None);
    topic.store(vec![order(1)]).await;
    topic.publish(1).await;
    shows(&world, 1).await;
    let mut held = world.views.begin().await.unwrap();
    sqlx::query("lock table read.orders_v1 in exclusive mode").execute(&mut *held).await.unwrap();
    for number in 2..=4 {
        topic.store(vec![order(number)]).await;
        topic.publish(usize::try_from(number).unwrap()).await;
        world.until_count("read.customer_orders", i64::try_from(number).unwrap()).await;
    }
    assert_eq!(world.count("read.orders").await, 1);
    held.rollback().await.unwrap();
    shows(&world, 4).await;
    running.stop().await;
}
