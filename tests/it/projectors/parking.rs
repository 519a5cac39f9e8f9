//! Events that cannot be applied wait aside, with what follows in their aggregate, and nothing else waits for them.

use event_schemas::Context;
use projectors::parked::{self, Freed, ParkedFailed};

use super::world::{Given, World, broken_order, imported, order, order_id, registered, renamed};

#[tokio::test]
async fn a_broken_event_parks_and_the_others_are_shown() {
    let world = World::new().await;
    world.append(Context::Orders, &[order(1), broken_order(2), order(3)]).await;
    let running = world.run();
    world.settled().await;
    assert_eq!(world.count("read.orders").await, 2);
    let listed = parked::list(&world.views, Some("orders")).await.unwrap();
    assert_eq!((listed.events.len(), listed.left_out), (1, 0));
    assert_eq!(listed.events[0].aggregate_id, order_id(2).to_string());
    assert!(listed.events[0].reason.contains("OrderImported"), "{}", listed.events[0].reason);
    assert_eq!(world.count("read.audit_log").await, 3);
    running.stop().await;
}

#[tokio::test]
async fn what_follows_in_the_aggregate_waits_behind_it_and_is_freed_in_order() {
    let world = World::new().await;
    let first = registered(&world.keys, 1, "Ana").await;
    let broken = Given { event_type: "AccountPainted".to_owned(), ..renamed(&world.keys, 1, 2, "Blue").await };
    world.append(Context::Identity, &[first, broken.clone()]).await;
    let running = world.run();
    world.settled().await;
    world.append(Context::Identity, &[renamed(&world.keys, 1, 3, "Anna").await]).await;
    world.settled().await;
    assert_eq!(world.count("read.parked where projection = 'accounts'").await, 2);
    assert_eq!(world.count("read.accounts where name = 'Ana'").await, 1);

    let retried = parked::retry(&world.views, &world.stores, Some(&world.keys), "accounts").await.unwrap();
    assert_eq!(retried, Freed { freed: 0, parked: 2 });
    let why = ("it was written by mistake", "test");
    let skipped =
        parked::skip(&world.views, &world.stores, Some(&world.keys), "accounts", broken.event_id, why).await.unwrap();
    assert_eq!(skipped, Freed { freed: 2, parked: 0 });
    assert_eq!(world.count("read.accounts where name = 'Anna' and version = 3").await, 1);

    world.append(Context::Identity, &[renamed(&world.keys, 1, 4, "Annie").await]).await;
    world.settled().await;
    assert_eq!(world.count("read.accounts where name = 'Annie'").await, 1);
    let rebuilt =
        projectors::rebuild("accounts", &world.url(), world.stores.clone(), Some(world.keys.clone()), false).await;
    assert!(rebuilt.unwrap().shown, "a skip holds in rebuilds");
    assert_eq!(world.count("read.parked where projection = 'accounts'").await, 0);
    running.stop().await;
}

#[tokio::test]
async fn a_constraint_of_the_view_parks_the_event_too() {
    let world = World::new().await;
    sqlx::raw_sql("alter table read.orders_v1 add check (amount_minor < 1000000)").execute(&world.views).await.unwrap();
    let dear = imported(2, "USD", 2_000_000);
    world.append(Context::Orders, &[order(1), dear, order(3)]).await;
    let running = world.run();
    world.settled().await;
    assert_eq!(world.count("read.orders").await, 2);
    sqlx::raw_sql("alter table read.orders_v1 drop constraint orders_v1_amount_minor_check")
        .execute(&world.views)
        .await
        .unwrap();
    let retried = parked::retry(&world.views, &world.stores, None, "orders").await.unwrap();
    assert_eq!(retried, Freed { freed: 1, parked: 0 });
    assert_eq!(world.count("read.orders").await, 3);
    running.stop().await;
}

#[tokio::test]
async fn a_long_queue_behind_a_parked_event_is_freed_piece_by_piece() {
    let world = World::new().await;
    let first = registered(&world.keys, 1, "Ana").await;
    let broken = Given { event_type: "AccountPainted".to_owned(), ..renamed(&world.keys, 1, 2, "Blue").await };
    let mut events = vec![first, broken.clone()];
    for sequence in 3..=1_202 {
        events.push(renamed(&world.keys, 1, sequence, &format!("Ana {sequence}")).await);
    }
    world.append(Context::Identity, &events).await;
    let running = world.run();
    world.settled().await;
    let retried = parked::retry(&world.views, &world.stores, Some(&world.keys), "accounts").await.unwrap();
    assert_eq!(retried, Freed { freed: 0, parked: 1_201 });
    let listed = parked::list(&world.views, Some("accounts")).await.unwrap();
    assert_eq!((listed.events.len(), listed.left_out), (1_000, 201));
    let why = ("it was written by mistake", "test");
    let skipped =
        parked::skip(&world.views, &world.stores, Some(&world.keys), "accounts", broken.event_id, why).await.unwrap();
    assert_eq!(skipped, Freed { freed: 1_201, parked: 0 });
    assert_eq!(world.count("read.accounts where name = 'Ana 1202' and version = 1202").await, 1);
    running.stop().await;
}

#[tokio::test]
async fn whoever_works_on_a_parked_aggregate_holds_up_no_other() {
    let world = World::new().await;
    world.append(Context::Orders, &[order(1), broken_order(2)]).await;
    let running = world.run();
    world.settled().await;
    let mut held = world.views.begin().await.unwrap();
    let hold = "select from read.parked where projection = 'orders' for update";
    sqlx::query(hold).execute(&mut *held).await.unwrap();
    world.append(Context::Orders, &[order(3)]).await;
    world.until_count("read.orders", 2).await;
    held.rollback().await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn an_event_at_which_a_projection_panics_is_parked_and_the_runner_lives() {
    let world = World::new().await;
    let running = world.run();
    world.settled().await;
    // Their sum does not fit, and arithmetic that overflows panics here.
    let dear = [imported(1, "USD", i64::MAX), imported(2, "USD", i64::MAX)];
    world.append(Context::Orders, &dear).await;
    world.settled().await;
    assert_eq!(world.count("read.parked where projection = 'sales_summary'").await, 1);
    world.append(Context::Orders, &[order(3)]).await;
    world.until_count("read.orders", 3).await;
    running.stop().await;
}

#[tokio::test]
async fn an_event_too_large_for_an_index_is_parked() {
    let world = World::new().await;
    let long: String = (0..300_u128).map(|n| uuid::Uuid::new_v5(&order_id(n), b"long").to_string()).collect();
    world.append(Context::Orders, &[Given { event_type: long, ..order(1) }, order(2)]).await;
    let running = world.run();
    world.settled().await;
    let listed = parked::list(&world.views, Some("audit_log")).await.unwrap();
    assert_eq!(listed.events.len(), 1, "{listed:?}");
    assert!(listed.events[0].reason.contains("index"), "{}", listed.events[0].reason);
    assert_eq!(world.count("read.audit_log").await, 1);
    running.stop().await;
}

#[tokio::test]
async fn events_that_are_large_come_a_few_at_a_time() {
    let world = World::new().await;
    let payload = format!(r#"{{"big":"{}"}}"#, "x".repeat(400_000));
    let large = (0..100).map(|number| Given { payload: payload.clone(), ..order(number) });
    world.append(Context::Orders, &large.collect::<Vec<_>>()).await;
    let running = world.run();
    world.settled().await;
    assert_eq!(world.count("read.audit_log").await, 100);
    assert_eq!(world.count("read.parked where projection = 'orders'").await, 100);
    let rebuilt = projectors::rebuild("orders", &world.url(), world.stores.clone(), None, false).await.unwrap();
    assert_eq!((rebuilt.events, rebuilt.shown), (100, true));
    assert_eq!(world.count("read.parked where projection = 'orders'").await, 100);
    running.stop().await;
}

#[tokio::test]
async fn what_is_parked_in_rows_of_another_version_is_left_to_a_rebuild() {
    let world = World::new().await;
    let broken = broken_order(1);
    world.append(Context::Orders, std::slice::from_ref(&broken)).await;
    let running = world.run();
    world.settled().await;
    running.stop().await;
    let upgrade = "update read.generations set version = 0 where projection = 'orders'";
    sqlx::raw_sql(upgrade).execute(&world.views).await.unwrap();
    let refused = parked::retry(&world.views, &world.stores, None, "orders").await.unwrap_err();
    assert!(matches!(refused, ParkedFailed::OtherVersion { name: "orders", made: 0, .. }), "{refused}");
    assert!(refused.to_string().contains("handsel rebuild orders --accept"), "{refused}");
    assert_eq!(world.count("read.parked where projection = 'orders'").await, 1);
}
