//! What a policy notes is sent once in effect.

use domain::orders::{OrderCommand, Stage};
use event_schemas::Context;
use event_schemas::orders::CancellationReason;
use tests::{ETA_MAX, until};

use super::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_an_order_is_reserved_once() {
    let world = World::new().await;
    let gift = world.sells(1_000).await;
    let mut orders = Vec::new();
    // Killed after every few orders, wherever it is then: reading, noting, sending, or removing what was answered.
    for round in 0..15 {
        let running = world.run();
        for _ in 0..4 {
            orders.push(world.place(gift, 1).await);
        }
        if round % 3 == 0 {
            world.until_stage(orders[4 * round], Stage::Confirmed).await;
        }
        running.kill().await;
    }
    let running = world.run();
    for order in &orders {
        world.until_stage(*order, Stage::Confirmed).await;
    }
    world.until_count("react.dispatches", 0).await;
    let count = i64::try_from(orders.len()).unwrap();
    assert_eq!(world.stock(gift).await, (1_000, count));
    for (event, times) in [("ReservationMade", count), ("StockReserved", count)] {
        assert_eq!(world.count(&format!("es_products.events where event_type = '{event}'")).await, times, "{event}");
    }
    for event in ["OrderReserved", "OrderConfirmed"] {
        assert_eq!(world.count(&format!("es_orders.events where event_type = '{event}'")).await, count, "{event}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_appends_between_ones_own_events_is_reacted_to() {
    let mut world = World::new().await;
    let gift = world.sells(10).await;
    let running = world.run();
    world.asks_elsewhere().await;
    for _ in 0..3 {
        // The newest event of orders is then one that the policies' own process has appended.
        let order = world.place(gift, 1).await;
        world.until_stage(order, Stage::Confirmed).await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_to_end_stores_what_it_has_read() {
    let world = World::new().await;
    let gift = world.sells(10).await;
    let running = world.run();
    let order = world.place(gift, 1).await;
    world.until_stage(order, Stage::Confirmed).await;
    running.stop().await;
    // Its placing and its reservation were read, since it was confirmed because of them.
    let behind = "react.checkpoints where policy = 'order_fulfilment' and context = 'orders' and position < 2";
    assert_eq!(world.count(behind).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_run_one_leads_and_the_other_takes_over() {
    let world = World::new().await;
    let gift = world.sells(10).await;
    let (one, other) = (world.run(), world.run());
    let first = world.place(gift, 1).await;
    world.until_stage(first, Stage::Confirmed).await;
    one.kill().await;
    // Aborted tasks do not close their connections as a process does.
    sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'handsel reactor lock'
                  and datname = current_database()",
    )
    .execute(&world.views)
    .await
    .unwrap();
    let second = world.place(gift, 1).await;
    world.until_stage(second, Stage::Confirmed).await;
    assert_eq!(world.stock(gift).await, (10, 2));
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leads_no_more_fires_nothing_and_leads_anew_before_it_does() {
    let world = World::new().await;
    let gift = world.sells(10).await;
    let running = world.run();
    let order = world.place(gift, 1).await;
    world.until_stage(order, Stage::Confirmed).await;
    world.until_count("react.timers where name = 'shipment_due'", 1).await;
    // As if another had led while this one was frozen.
    world.another_led("order_fulfilment").await;
    sqlx::raw_sql("update react.timers set due = now() - interval '1 hour' where name = 'shipment_due'")
        .execute(&world.views)
        .await
        .unwrap();
    world.until_stage(order, Stage::Cancelled).await;
    assert_eq!(world.term("order_fulfilment").await, 3, "what was due fired in a term of its own");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_waits_for_a_person_and_what_follows_waits_behind_it() {
    let world = World::new().await;
    let gift = world.sells(10).await;
    let running = world.run();
    let order = world.place(gift, 2).await;
    world.until_stage(order, Stage::Confirmed).await;
    // Somebody releases by hand what the order has reserved, so that it cannot be sold to it any more.
    let release = domain::products::ReservationCommand::Release;
    world.sender.reservations.execute(&order.to_string(), release, super::world::by_ana()).await.unwrap();
    let shipment = event_schemas::ids::ShipmentId::new();
    let shipping = domain::orders::Shipping { shipment, lines: vec![], tracking: None };
    world.ask(order, OrderCommand::Ship(Box::new(shipping))).await;
    world.until_count("react.dispatches where parked is not null", 1).await;
    let parked = reactors::list_parked(&world.views).await.unwrap();
    assert_eq!(parked[0].target, ("reservation".to_owned(), order.to_string()));
    assert!(parked[0].why.contains("was released before"), "{parked:?}");
    running.until_told("[+]policy-order_fulfilment ok, but commands for 1 aggregates were refused").await;
    // Others go on.
    let other = world.place(gift, 1).await;
    world.until_stage(other, Stage::Confirmed).await;
    reactors::retry(&world.views, parked[0].number).await.unwrap();
    until("it is refused again", ETA_MAX, async || world.count("react.dispatches where parked is not null").await == 1)
        .await;
    reactors::skip(&world.views, parked[0].number).await.unwrap();
    world.until_count("react.dispatches", 0).await;
    assert!(
        reactors::skip(&world.views, parked[0].number).await.unwrap_err().to_string().contains("no parked command")
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_does_not_start_where_nobody_says_where_it_was() {
    let world = World::new().await;
    let gift = world.sells(10).await;
    sqlx::raw_sql("delete from react.checkpoints").execute(&world.views).await.unwrap();
    let running = world.run();
    running.until_told("[-]policy-order_fulfilment failed: nobody has said where it begins").await;
    let order = world.place(gift, 1).await;
    // It is told to begin where the stores end now, and does not react to what was before.
    for (context, store) in &world.stores {
        reactors::migrate(&world.views, &[(*context, store.reader())]).await.unwrap();
    }
    running.until_told("[+]policy-order_fulfilment ok").await;
    let later = world.place(gift, 1).await;
    world.until_stage(later, Stage::Confirmed).await;
    assert_eq!(world.stage(order).await, Some(Stage::Placed));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_stops_at_a_store_that_lost_what_it_has_read_and_goes_on_after_its_recovery() {
    let world = World::new().await;
    let gift = world.sells(10).await;
    let running = world.run();
    let order = world.place(gift, 1).await;
    world.until_stage(order, Stage::Confirmed).await;
    world.until_count("react.dispatches", 0).await;
    running.kill().await;
    sqlx::raw_sql("update react.checkpoints set event_id = gen_random_uuid() where context = 'orders'")
        .execute(&world.views)
        .await
        .unwrap();
    let running = world.run();
    running.until_told("lost events or began another history; run `handsel recover orders`").await;
    let store = &world.stores[&Context::Orders];
    sqlx::raw_sql("update es_orders.store set history = gen_random_uuid()").execute(&world.views).await.unwrap();
    reactors::follow_recovery(&world.views, Context::Orders, &store.reader()).await.unwrap();
    running.until_told("[+]policy-order_fulfilment ok").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passed_while_nobody_ran_fires_after_what_makes_it_needless_was_heard() {
    let world = World::new().await;
    let gift = world.sells(10).await;
    let running = world.run();
    let (paid, late) = (world.place(gift, 1).await, world.place(gift, 1).await);
    for order in [paid, late] {
        world.until_stage(order, Stage::Confirmed).await;
    }
    world.until_count("react.timers where name = 'shipment_due'", 2).await;
    running.kill().await;
    let shipping =
        domain::orders::Shipping { shipment: event_schemas::ids::ShipmentId::new(), lines: vec![], tracking: None };
    world.ask(paid, OrderCommand::Ship(Box::new(shipping))).await;
    sqlx::raw_sql("update react.timers set due = now() - interval '1 hour' where name = 'shipment_due'")
        .execute(&world.views)
        .await
        .unwrap();
    let running = world.run();
    world.until_stage(late, Stage::Cancelled).await;
    world.until_count("react.dispatches", 0).await;
    // What follows may not be noted yet.
    until("what follows from both", ETA_MAX, async || world.stock(gift).await == (9, 0)).await;
    assert_eq!(world.stage(paid).await, Some(Stage::Shipped));
    let reasons = "es_orders.events where event_type = 'OrderCancelled' and payload->>'reason' = 'not_shipped'";
    assert_eq!(world.count(reasons).await, 1);
    // Cancelling it again by hand adds nothing.
    world.ask(late, OrderCommand::Cancel { reason: CancellationReason::ByCustomer }).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivered_order_completes_by_itself_when_its_time_has_come() {
    let world = World::new().await;
    let gift = world.sells(10).await;
    let running = world.run();
    let order = world.place(gift, 1).await;
    world.until_stage(order, Stage::Confirmed).await;
    let shipment = event_schemas::ids::ShipmentId::new();
    let shipping = domain::orders::Shipping { shipment, lines: vec![], tracking: None };
    world.ask(order, OrderCommand::Ship(Box::new(shipping))).await;
    world.ask(order, OrderCommand::Deliver { at: platform::clock::now() }).await;
    let timers = "react.timers where name = 'completion'";
    world.until_count(timers, 1).await;
    assert_eq!(world.stage(order).await, Some(Stage::Delivered), "not before its time");
    sqlx::raw_sql("update react.timers set due = now() where name = 'completion'").execute(&world.views).await.unwrap();
    world.until_stage(order, Stage::Completed).await;
    world.until_count(timers, 0).await;
    running.stop().await;
}
