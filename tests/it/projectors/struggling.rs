//! A consumer that cannot begin, is refused, hears the same again and again, or feeds one that cannot follow.

use event_schemas::Context;
use projectors::registry::READ_MODELS;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tests::{ETA_MAX, until};

use super::offsets::lags;
use super::topic::{Topic, shows};
use super::world::{World, order};

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_cannot_begin_tries_again() {
    let world = World::new().await;
    let mut topic = Topic::new(&world);
    sqlx::raw_sql("alter table read.checkpoints rename to hidden").execute(&world.views).await.unwrap();
    let running = world.run_with(Some(topic.kafka()), None);
    let all = i64::try_from(READ_MODELS.len()).unwrap();
    world.until_count("read.heartbeats where state like '%checkpoints%'", all).await;
    sqlx::raw_sql("alter table read.hidden rename to checkpoints").execute(&world.views).await.unwrap();
    topic.store((0..30).map(order).collect()).await;
    topic.publish_all(1..=30).await;
    shows(&world, 30).await;
    // Only what was handed out by the consumer has offsets.
    until("the topic is read", ETA_MAX, async || {
        let lags = lags(topic.kafka(), Context::Orders.topic(), "handsel.projector.v1");
        lags.len() > 1 && lags.iter().all(|(_, lag)| *lag == Some(0))
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_refuses_the_topics_is_a_reason_to_call_for_somebody() {
    let world = World::new().await;
    let mut topic = Topic::new(&world);
    let refusal = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; 2];
    topic.cluster.request_errors(RDKafkaApiKey::Fetch, &refusal);
    let running = world.run_with(Some(topic.kafka()), None);
    running.until_check("[-]projector failed: the Kafka broker refuses the topics").await;
    running.until_check("[+]projector ok").await;
    topic.store((0..30).map(order).collect()).await;
    topic.publish_all(1..=30).await;
    shows(&world, 30).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_repeated_without_end_does_not_hide_that_something_is_missing() {
    let world = World::new().await;
    let mut topic = Topic::new(&world);
    let running = world.run_with(Some(topic.kafka()), None);
    topic.store((0..30).map(order).collect()).await;
    topic.publish_all(1..=30).await;
    shows(&world, 30).await;
    topic.store((30..60).map(order).collect()).await;
    until("what was not published is shown", ETA_MAX, async || {
        topic.publish_all(1..=30).await;
        world.count("read.orders").await == 60 && world.count("read.audit_log").await == 60
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_that_loses_its_seat_catches_up_and_takes_another_one() {
    let world = World::new().await;
    let mut topic = Topic::new(&world);
    let running = world.run_with(Some(topic.kafka()), None);
    topic.store(vec![order(1)]).await;
    topic.publish(1).await;
    shows(&world, 1).await;
    let mut held = world.views.begin().await.unwrap();
    sqlx::query("lock table read.orders_v1 in exclusive mode").execute(&mut *held).await.unwrap();
    // More polls than its queue holds.
    for number in 2..=150 {
        topic.store(vec![order(number)]).await;
        topic.publish(usize::try_from(number).unwrap()).await;
    }
    world.until_count("read.customer_orders", 150).await;
    assert_eq!(world.count("read.orders").await, 1);
    held.rollback().await.unwrap();
    shows(&world, 150).await;
    let fed = "read.checkpoints o join read.checkpoints c using (context, partition)
                where o.projection = 'orders' and c.projection = 'customer_orders' and o.position = c.position
                  and o.topic_offset = c.topic_offset and o.position > 150";
    // What comes before it has its seat reaches it from the store.
    let mut number = 150;
    until("it is fed by the topic again", ETA_MAX, async || {
        number += 1;
        topic.store(vec![order(number)]).await;
        topic.publish(usize::try_from(number).unwrap()).await;
        world.count(fed).await > 0
    })
    .await;
    running.stop().await;
}
