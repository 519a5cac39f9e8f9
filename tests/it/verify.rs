//! `handsel verify` beside a running system: what it says when everything holds, and when a topic does not.

mod all;
mod facts;
mod heads;
mod journal;
mod market;
mod payments;
mod views;

use std::time::Duration;

use event_schemas::{Context, PARTITIONS};
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::Offset;
use tests::{Finished, Program, World, until};

use super::{EXE, journeys};

const WAIT_MAX: Duration = Duration::from_secs(60);

/// A shop was imported and all of it is published.
async fn world() -> World {
    let world = World::start().await;
    let importer = Program::new(EXE, &[], &[("HANDSEL_URL", &world.app.url)]);
    importer.call(&["import", "cdnow", &journeys::shop::cut()]).await.ok();
    for context in Context::ALL {
        let reader = world.app.spine.stores[&context].reader();
        let head = reader.head().await.expect("the server answers").position;
        until("the relay is at the head", WAIT_MAX, || async {
            reader.relay_row().await.expect("the server answers").is_some_and(|relay| relay.checkpoint >= head)
        })
        .await;
    }
    world
}

async fn verify(world: &World) -> Finished {
    let env = [("DATABASE_URL", world.database.url()), ("KAFKA_BROKERS", world.broker.brokers())];
    Program::new(EXE, &[], &env).call(&["verify", "--topic-prefix", world.broker.prefix()]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_has_every_event_holds() {
    let world = world().await;
    let said = verify(&world).await.ok();
    let topic = world.broker.topic(Context::Orders);
    assert!(said.contains("orders: 243 events"), "{said}");
    assert!(said.contains(&format!("orders: {topic} has 243 records, 0 of them repeats")), "{said}");
    assert!(!said.contains("DOES NOT HOLD"), "{said}");
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_topic_lacks_and_what_somebody_else_wrote_into_it_is_named() {
    let world = world().await;
    let topic = world.broker.topic(Context::Orders);
    let kafka = world.broker.client_config();
    let consumer: BaseConsumer = kafka.create().unwrap();
    let filled = (0..PARTITIONS).find(|partition| {
        let ends = consumer.fetch_watermarks(&topic, *partition, WAIT_MAX);
        ends.unwrap().1 > 2
    });
    let filled = filled.expect("243 events fill a partition");
    let mut cut = TopicPartitionList::new();
    cut.add_partition_offset(&topic, filled, Offset::Offset(2)).unwrap();
    let admin: AdminClient<DefaultClientContext> = kafka.create().unwrap();
    admin.delete_records(&cut, &AdminOptions::new()).await.unwrap();
    let producer: FutureProducer = kafka.create().unwrap();
    let record = FutureRecord::to(&topic).partition(filled).key("k").payload("{}");
    producer.send(record, WAIT_MAX).await.map_err(|(error, _)| error).unwrap();

    let finished = verify(&world).await;
    assert!(!finished.status.success());
    let missing = finished.stdout.lines().filter(|line| line.ends_with("is missing")).count();
    assert_eq!(missing, 2, "{}", finished.stdout);
    assert!(finished.stdout.contains("it was not written by a relay"), "{}", finished.stdout);
    assert!(finished.stdout.contains("behind: DOES NOT HOLD"), "{}", finished.stdout);
    world.app.stop().await;
}
