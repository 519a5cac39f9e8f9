//! Several runners, runners that die, stores that change under them.

use event_schemas::Context;
use serde_json::json;
use tests::{ETA_MAX, until};

use super::world::{World, order};

#[tokio::test]
async fn a_runner_goes_on_where_it_stopped() {
    let world = World::new().await;
    world.append(Context::Orders, &(0..10).map(order).collect::<Vec<_>>()).await;
    let running = world.run();
    world.settled().await;
    running.stop().await;
    world.append(Context::Orders, &(10..20).map(order).collect::<Vec<_>>()).await;
    let running = world.run();
    world.settled().await;
    assert_eq!(world.count("read.orders").await, 20);
    assert_eq!(
        world.rows("select orders, customers from read.sales_summary").await,
        [json!({"orders": 20, "customers": 10})]
    );
    running.stop().await;
}

#[tokio::test]
async fn two_runners_share_the_partitions_and_apply_each_event_once() {
    let world = World::new().await;
    let lower = world.run_with(None, Some([0, 1, 2].into()));
    let upper = world.run_with(None, Some([3, 4, 5].into()));
    for piece in 0..20u128 {
        world.append(Context::Orders, &(piece * 50..piece * 50 + 50).map(order).collect::<Vec<_>>()).await;
    }
    world.settled().await;
    assert_eq!(
        world.rows("select orders, customers from read.sales_summary").await,
        [json!({"orders": 1000, "customers": 10})]
    );
    lower.stop().await;
    upper.stop().await;
}

#[tokio::test]
async fn a_second_runner_takes_over_when_the_first_is_gone() {
    let world = World::new().await;
    let first = world.run();
    world.append(Context::Orders, &[order(1)]).await;
    world.settled().await;
    let second = world.run();
    first.kill().await;
    world.append(Context::Orders, &[order(2)]).await;
    world.settled().await;
    assert_eq!(world.count("read.orders").await, 2);
    second.stop().await;
}

#[tokio::test]
async fn a_runner_gives_up_what_another_was_told_to_follow() {
    let world = World::new().await;
    let all = world.run();
    world.append(Context::Orders, &(0..30).map(order).collect::<Vec<_>>()).await;
    world.settled().await;
    let told = world.run_with(None, Some([0, 1].into()));
    until("the second follows what it was told to", ETA_MAX, async || {
        world.count("read.heartbeats where projection = 'orders' and partitions = '{0,1}'").await == 1
            && world.count("read.heartbeats where projection = 'orders' and partitions = '{2,3,4,5}'").await == 1
    })
    .await;
    world.append(Context::Orders, &(30..60).map(order).collect::<Vec<_>>()).await;
    world.settled().await;
    assert_eq!(world.count("read.orders").await, 60);
    told.stop().await;
    all.stop().await;
}

#[tokio::test]
async fn checkpoints_that_were_moved_back_with_their_rows_are_noticed() {
    let world = World::new().await;
    world.append(Context::Orders, &(0..10).map(order).collect::<Vec<_>>()).await;
    let running = world.run();
    world.settled().await;
    // As after a crash of Postgres, which forgets rows and checkpoint together.
    let mut tx = world.views.begin().await.unwrap();
    sqlx::raw_sql(
        "delete from read.orders_v1;
         update read.checkpoints set position = 0, event_id = null where projection = 'orders'",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    world.append(Context::Orders, &(10..20).map(order).collect::<Vec<_>>()).await;
    world.until_count("read.orders", 20).await;
    running.stop().await;
}

#[tokio::test]
async fn a_store_that_lost_events_stops_its_views_and_says_so() {
    let world = World::new().await;
    world.append(Context::Orders, &(0..10).map(order).collect::<Vec<_>>()).await;
    let running = world.run();
    world.settled().await;
    running.stop().await;
    // As after the promotion of a replica that lacked the newest events: other events take their positions.
    sqlx::raw_sql(
        "alter table es_orders.events disable trigger all;
         delete from es_orders.events where position > 8;
         alter table es_orders.events enable trigger all",
    )
    .execute(&world.views)
    .await
    .unwrap();
    world.append(Context::Orders, &(20..25).map(order).collect::<Vec<_>>()).await;
    let running = world.run();
    let complaint = "read.heartbeats where projection = 'orders' and state like '%handsel recover orders%'";
    world.until_count(complaint, 1).await;
    assert_eq!(world.count("read.orders").await, 10);
    projectors::start_over(&world.views, &[Context::Orders]).await.unwrap();
    world.settled().await;
    assert_eq!(world.count("read.orders").await, 13);
    running.stop().await;
}

#[tokio::test]
async fn the_status_shows_lag_and_followers() {
    let world = World::new().await;
    let running = world.run();
    world.append(Context::Orders, &[order(1)]).await;
    until("every read model is followed and has no lag", ETA_MAX, async || {
        let status = projectors::status(&world.views).await.unwrap();
        status.len() == projectors::registry::READ_MODELS.len()
            && status.iter().all(|one| one.followers == ["following"] && one.lag.is_some_and(|lag| lag.events == 0))
    })
    .await;
    running.stop().await;
}
