//! A topic that repeats, loses and forgets what a test wants.

use event_schemas::{Context, PARTITIONS};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use serde_json::json;

use super::world::{Given, World};

/// A broker in this process, and a relay that does what a test says.
pub(super) struct Topic<'w> {
    world: &'w World,
    pub(super) cluster: MockCluster<'static, DefaultProducerContext>,
    producer: FutureProducer,
    pub(super) events: Vec<Given>,
}

impl<'w> Topic<'w> {
    pub(super) fn new(world: &'w World) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        for context in Context::ALL {
            cluster.create_topic(context.topic(), PARTITIONS, 1).unwrap();
        }
        let producer = ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
        Self { world, cluster, producer, events: Vec::new() }
    }

    pub(super) fn kafka(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.cluster.bootstrap_servers());
        config
    }

    pub(super) async fn store(&mut self, events: Vec<Given>) {
        self.world.append(Context::Orders, &events).await;
        self.events.extend(events);
    }

    pub(super) fn partition(&self, position: usize) -> i32 {
        self.partition_of(&self.events[position - 1])
    }

    pub(super) fn partition_of(&self, event: &Given) -> i32 {
        platform::kafka::partition_of(&event.aggregate.1, PARTITIONS)
    }

    /// Publishes the event at a position as the relay would.
    pub(super) async fn publish(&self, position: usize) {
        let event = &self.events[position - 1];
        let partition = self.partition(position);
        let previous = (1..position).rev().find(|earlier| self.partition(*earlier) == partition).unwrap_or(0);
        self.publish_as(event, (previous, position)).await;
    }

    /// Publishes a record that claims these positions, before and its own.
    pub(super) async fn publish_as(&self, event: &Given, (previous, position): (usize, usize)) {
        let key = event.aggregate.1.clone();
        let partition = self.partition_of(event);
        let history: uuid::Uuid =
            sqlx::query_scalar("select history from es_orders.store").fetch_one(&self.world.views).await.unwrap();
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

    pub(super) async fn publish_all(&self, positions: impl IntoIterator<Item = usize>) {
        for position in positions {
            self.publish(position).await;
        }
    }
}

pub(super) async fn shows(world: &World, orders: i64) {
    world.settled().await;
    assert_eq!(world.count("read.orders").await, orders);
    assert_eq!(world.rows("select orders from read.sales_summary").await, [json!({ "orders": orders })]);
    assert_eq!(world.count("read.parked").await, 0);
}
