//! The topic is the fast path: whatever it repeats, loses or forgets, the views have every event once.

use event_schemas::Context;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tests::{ETA_MAX, until};

use super::offsets;
use super::topic::{Topic, shows};
use super::world::{World, order, order_id};

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
    let mut emptied = Topic::new(&world);
    emptied.events = events;
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
        "insert into read.orders_v1 (order_id, customer, state, ordered_on, units, amount_minor, currency, version,
                                     recorded_at, changed_at)
         select $1, customer, state, ordered_on, units, amount_minor, currency, version, recorded_at, changed_at
           from read.orders_v1";
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
