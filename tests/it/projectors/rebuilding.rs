//! A read model is built again beside the live one, which goes on.

use event_schemas::Context;
use projectors::parked::{self, ParkedFailed};
use projectors::registry::READ_MODELS;
use projectors::{RebuildFailed, Rebuilt};

use super::payments;
use super::products::{history, stock_history};
use super::world::{World, broken_order, order, registered};

async fn rebuild(world: &World, name: &str, accept: bool) -> Rebuilt {
    projectors::rebuild(name, &world.url(), world.stores.clone(), Some(world.keys.clone()), accept).await.unwrap()
}

#[tokio::test]
async fn every_read_model_is_built_again_byte_for_byte() {
    let world = World::new().await;
    world.append(Context::Orders, &(0..500).map(order).collect::<Vec<_>>()).await;
    world.append(Context::Orders, &[broken_order(900)]).await;
    for number in 0..20 {
        world.append(Context::Identity, &[registered(&world.keys, number, "Ana").await]).await;
    }
    let products: Vec<_> = (0..12).flat_map(|number| [history(number), stock_history(number)].concat()).collect();
    world.append(Context::Products, &products).await;
    let payments: Vec<_> = (0..18).flat_map(payments::history).collect();
    world.append(Context::Payments, &payments).await;
    let running = world.run();
    world.settled().await;
    let read_models = [
        ("accounts", 20),
        ("audit_log", 521 + (products.len() + payments.len()) as i64),
        ("customer_orders", 500),
        ("orders", 500),
        ("payment_operations", 37),
        ("payments", 18),
        ("products", 12),
        ("sales_by_day", 28),
        ("sales_summary", 11),
        ("stock", 12),
    ];
    assert_eq!(read_models.len(), READ_MODELS.len());
    for (name, rows) in read_models {
        let rebuilt = rebuild(&world, name, false).await;
        assert_eq!((rebuilt.compared.rows, rebuilt.compared.differing), (rows, 0), "{name}");
        assert!(rebuilt.shown, "{name}");
        assert_eq!(rebuilt.generation, 2);
    }
    world.append(Context::Orders, &[order(501)]).await;
    world.settled().await;
    assert_eq!(world.count("read.orders").await, 501);
    assert_eq!(world.count("read.generations").await, READ_MODELS.len() as i64);
    running.stop().await;
}

#[tokio::test]
async fn a_rebuild_keeps_up_with_a_store_that_grows() {
    let world = World::new().await;
    let running = world.run();
    let growing = async {
        for piece in 0..60u128 {
            world.append(Context::Orders, &(piece * 20..piece * 20 + 20).map(order).collect::<Vec<_>>()).await;
        }
    };
    let (rebuilt, ()) = tokio::join!(rebuild(&world, "sales_summary", false), growing);
    assert!(rebuilt.shown);
    world.settled().await;
    assert_eq!(world.rows("select orders from read.sales_summary").await, [serde_json::json!({"orders": 1200})]);
    running.stop().await;
}

#[tokio::test]
async fn rows_that_differ_are_listed_and_need_to_be_accepted() {
    let world = World::new().await;
    world.append(Context::Orders, &(0..5).map(order).collect::<Vec<_>>()).await;
    let running = world.run();
    world.settled().await;
    sqlx::raw_sql("update read.sales_summary_v1 set units = 7").execute(&world.views).await.unwrap();
    let refused = rebuild(&world, "sales_summary", false).await;
    assert!(!refused.shown);
    assert_eq!(refused.compared.differing, 1);
    let difference = &refused.compared.examples[0];
    assert_eq!(difference.live.as_deref(), Some("(USD,5,5,7,5000,5)"));
    assert_eq!(difference.rebuilt.as_deref(), Some("(USD,5,5,10,5000,5)"));
    assert_eq!(world.count("read.sales_summary where units = 7").await, 1);
    assert!(rebuild(&world, "sales_summary", true).await.shown);
    assert_eq!(world.count("read.sales_summary where units = 10").await, 1);
    running.stop().await;
}

#[tokio::test]
async fn rows_of_another_version_wait_for_an_accepted_rebuild() {
    let world = World::new().await;
    sqlx::raw_sql("update read.generations set version = 0 where projection = 'orders'")
        .execute(&world.views)
        .await
        .unwrap();
    world.append(Context::Orders, &[order(1)]).await;
    let running = world.run();
    world
        .until_count("read.heartbeats where projection = 'orders' and state like '%rebuild orders --accept%'", 1)
        .await;
    running.until_check("`orders`: its rows were made by version 0").await;
    assert_eq!(world.count("read.orders").await, 0);
    let listed = rebuild(&world, "orders", false).await;
    assert_eq!((listed.shown, listed.compared.differing), (false, 1));
    assert!(rebuild(&world, "orders", true).await.shown);
    assert_eq!(world.count("read.orders").await, 1);
    running.until_check("[+]projector ok").await;
    running.stop().await;
}

#[tokio::test]
async fn while_a_rebuild_runs_no_other_begins_and_nothing_is_skipped() {
    let world = World::new().await;
    let broken = broken_order(1);
    world.append(Context::Orders, std::slice::from_ref(&broken)).await;
    let running = world.run();
    world.settled().await;
    running.stop().await;
    // The first one waits for the store.
    let mut held = world.views.begin().await.unwrap();
    sqlx::query("lock table es_orders.events in access exclusive mode").execute(&mut *held).await.unwrap();
    let first = async { rebuild(&world, "orders", false).await };
    let meanwhile = async {
        world.until_count("pg_locks where locktype = 'advisory' and classid = x'48534c50'::bigint::oid", 1).await;
        let second = projectors::rebuild("orders", &world.url(), world.stores.clone(), None, false).await;
        assert!(matches!(second, Err(RebuildFailed::AlreadyRuns("orders"))), "{second:?}");
        let why = ("it was written by mistake", "test");
        let skipped = parked::skip(&world.views, &world.stores, None, "orders", broken.event_id, why).await;
        assert!(matches!(skipped, Err(ParkedFailed::Rebuilding("orders"))), "{skipped:?}");
        held.rollback().await.unwrap();
    };
    let (first, ()) = tokio::join!(first, meanwhile);
    assert!(first.shown);
    assert_eq!(world.count("read.skips").await, 0);
    let why = ("it was written by mistake", "test");
    let skipped = parked::skip(&world.views, &world.stores, None, "orders", broken.event_id, why).await.unwrap();
    assert_eq!((skipped.freed, skipped.parked), (1, 0));
}

#[tokio::test]
async fn a_rebuild_that_is_shown_has_succeeded_even_if_its_locks_are_lost_then() {
    let world = World::new().await;
    world.append(Context::Orders, &[order(1)]).await;
    sqlx::raw_sql(
        "create function read.cut() returns trigger language plpgsql as $$
         begin
             perform pg_terminate_backend(pid) from pg_stat_activity
               where datname = current_database() and application_name = 'handsel projector locks';
             return null;
         end $$;
         create trigger cut after update on read.generations for each statement execute function read.cut()",
    )
    .execute(&world.views)
    .await
    .unwrap();
    assert!(rebuild(&world, "orders", true).await.shown);
    assert_eq!(world.count("read.orders").await, 1);
}

#[tokio::test]
async fn an_unknown_read_model_is_named_with_those_there_are() {
    let world = World::new().await;
    let refused = projectors::rebuild("sales", &world.url(), world.stores.clone(), None, false).await.unwrap_err();
    assert!(refused.to_string().contains("sales_summary"), "{refused}");
}
