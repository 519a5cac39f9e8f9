//! A store that loses events under a runner, and begins another history.

use event_schemas::Context;
use event_store::{StoreConfig, recover};
use serde_json::json;

use super::topic::{Topic, shows};
use super::world::{World, order};

const COMPLAINT: &str = "state like '%handsel recover orders%'";

/// No view of orders shows what took the places of what was lost.
async fn stopped_at(world: &World, orders: i64) {
    for view in ["orders", "customer_orders", "sales_by_day", "sales_summary", "audit_log"] {
        world.until_count(&format!("read.heartbeats where projection = '{view}' and {COMPLAINT}"), 1).await;
    }
    assert_eq!(world.count("read.orders").await, orders);
    assert_eq!(world.count("read.audit_log").await, orders);
    assert_eq!(world.rows("select orders from read.sales_summary").await, [json!({ "orders": orders })]);
}

async fn begun_anew(world: &World, orders: i64) {
    projectors::start_over(&world.views, &[Context::Orders]).await.unwrap();
    world.until_count("read.orders", orders).await;
    world.until_count("read.audit_log", orders).await;
}

#[tokio::test]
async fn a_store_that_loses_events_under_a_runner_stops_its_views() {
    let world = World::new().await;
    world.append(Context::Orders, &(0..10).map(order).collect::<Vec<_>>()).await;
    let running = world.run();
    world.settled().await;
    // The places of what was lost are taken again, and more: only the events there differ.
    world.lose(Context::Orders, 8, &(20..24).map(order).collect::<Vec<_>>()).await;
    stopped_at(&world, 10).await;
    running.until_check("handsel recover orders").await;
    begun_anew(&world, 12).await;
    running.until_check("[+]projector ok").await;
    running.stop().await;
}

#[tokio::test]
async fn a_store_that_only_lost_events_stops_its_views_before_others_take_their_places() {
    let world = World::new().await;
    world.append(Context::Orders, &(0..10).map(order).collect::<Vec<_>>()).await;
    let running = world.run();
    world.settled().await;
    world.lose(Context::Orders, 8, &[]).await;
    stopped_at(&world, 10).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_relay_said_of_a_quiet_partition_ends_with_the_events_it_spoke_of() {
    let world = World::new().await;
    let mut topic = Topic::new(&world);
    let first = topic.partition_of(&order(0));
    let (mine, others): (Vec<_>, Vec<_>) = (1..100).map(order).partition(|event| topic.partition_of(event) == first);
    topic.store(vec![order(0)]).await;
    let running = world.run_with(Some(topic.kafka()), Some([first].into()));
    world.until_count("read.orders", 1).await;
    topic.store(vec![mine[0].clone(), others[0].clone()]).await;
    // The relay says: nothing after the second is of this partition.
    let mut last = vec![3_i64; 6];
    last[usize::try_from(first).unwrap()] = 2;
    let said = "update es_orders.relay set checkpoint = 3, last_position = $1";
    sqlx::query(said).bind(last).execute(&world.views).await.unwrap();
    topic.publish(2).await;
    world.until_count("read.orders", 2).await;
    let then = [mine[1].clone(), mine[2].clone(), others[1].clone(), others[2].clone()];
    world.lose(Context::Orders, 1, &then).await;
    world.until_count(&format!("read.heartbeats where projection = 'orders' and {COMPLAINT}"), 1).await;
    assert_eq!(world.count("read.orders").await, 2);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_follows_on_what_the_store_does_not_have_stops_its_view() {
    let world = World::new().await;
    let mut topic = Topic::new(&world);
    let running = world.run_with(Some(topic.kafka()), None);
    topic.store((0..5).map(order).collect()).await;
    topic.publish_all(1..=5).await;
    shows(&world, 5).await;
    topic.publish_as(&order(9), (8, 9)).await;
    world.until_count(&format!("read.heartbeats where projection = 'orders' and {COMPLAINT}"), 1).await;
    assert_eq!(world.count("read.orders").await, 5);
    running.stop().await;
}

#[tokio::test]
async fn views_that_were_begun_anew_while_nothing_happens_are_filled_by_the_runner_that_was_there() {
    let world = World::new().await;
    world.append(Context::Orders, &(0..10).map(order).collect::<Vec<_>>()).await;
    let running = world.run();
    world.settled().await;
    let recovered = recover::store(&StoreConfig::new("orders", world.database.url())).await.unwrap();
    begun_anew(&world, 10).await;
    let histories = "read.checkpoints where projection = 'orders' and position = 10 and history";
    world.until_count(&format!("{histories} = '{}'", recovered.history), 6).await;
    world.append(Context::Orders, &[order(10)]).await;
    world.until_count("read.orders", 11).await;
    running.stop().await;
}
