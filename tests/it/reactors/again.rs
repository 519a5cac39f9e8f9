//! A policy that reacts to the past once more: in a copy, whose policies began at its end, or where notes were lost.

use std::collections::BTreeMap;

use domain::orders::{OrderCommand, Shipping, Stage};
use envelope::Position;
use event_schemas::Context;
use event_schemas::ids::{OrderId, ShipmentId};
use event_schemas::orders::CancellationReason;
use event_store::Reader;
use reactors::NotReplayed;
use tests::{ETA_MAX, until};

use super::world::World;

/// What fires when about what, but for one order.
async fn agenda(world: &World, but: Option<OrderId>) -> Vec<String> {
    let sql = "select concat_ws(' ', policy, name, about, due, target_id, dispatch) from react.timers
                where about not like $1 order by policy, name, about";
    let but = but.map_or_else(|| "none".to_owned(), |order| format!("%{order}"));
    sqlx::query_scalar(sql).bind(but).fetch_all(&world.views).await.unwrap()
}

/// How many events each store has.
async fn events(world: &World) -> Vec<i64> {
    let mut counts = Vec::new();
    for context in Context::ALL {
        counts.push(world.count(&format!("es_{context}.events")).await);
    }
    counts
}

fn readers(world: &World) -> Vec<(Context, Reader)> {
    world.stores.iter().map(|(context, store)| (*context, store.reader())).collect()
}

/// Policies have read everything, and everything that they asked for is answered.
async fn until_nothing_is_to_do(world: &World) {
    until("policies have read everything", ETA_MAX, async || {
        let parked = reactors::list_parked(&world.views).await.unwrap();
        assert!(parked.is_empty(), "{parked:#?}");
        let mut behind = world.count("react.dispatches").await;
        for context in Context::ALL {
            behind += world
                .count(&format!(
                    "react.checkpoints where context = '{context}'
                        and position < (select max(position) from es_{context}.events)"
                ))
                .await;
        }
        behind == 0
    })
    .await;
}

async fn ships(world: &World, order: OrderId) {
    let shipping = Shipping { shipment: ShipmentId::new(), lines: vec![], tracking: None };
    world.ask(order, OrderCommand::Ship(Box::new(shipping))).await;
}

/// Orders that have come to every stage.
async fn a_market(world: &World) {
    let product = world.sells_for(1200, 10).await;
    let waits = world.place_paying(product, 1, "pm_sim_action_required").await;
    world.until_stage(waits, Stage::Reserved).await;
    let lacking = world.place(product, 100).await;
    world.until_stage(lacking, Stage::Cancelled).await;
    let mut confirmed = Vec::new();
    for _ in 0..4 {
        let order = world.place(product, 1).await;
        world.until_stage(order, Stage::Confirmed).await;
        confirmed.push(order);
    }
    world.ask(confirmed[0], OrderCommand::Cancel { reason: CancellationReason::ByCustomer }).await;
    for order in &confirmed[1..3] {
        ships(world, *order).await;
    }
    world.ask(confirmed[2], OrderCommand::Deliver { at: platform::clock::now() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_not_done_again_and_every_deadline_is_kept() {
    let world = World::new().await;
    let running = world.run();
    a_market(&world).await;
    until_nothing_is_to_do(&world).await;
    let due = agenda(&world, None).await;
    for timer in ["payment_due", "shipment_due", "completion"] {
        assert!(due.iter().any(|row| row.contains(timer)), "{timer}: {due:?}");
    }
    running.stop().await;

    // Another instance got the events and none of what was noted for them, nor the ledgers of keys.
    sqlx::raw_sql("truncate react.timers; truncate react.checkpoints").execute(&world.views).await.unwrap();
    reactors::migrate(&world.views, &readers(&world)).await.unwrap();
    for context in Context::ALL {
        sqlx::query(&format!("delete from es_{context}.commands")).execute(&world.views).await.unwrap();
    }
    let running = world.run();
    let gift = world.sells(1).await;
    let later = world.place(gift, 1).await;
    world.until_stage(later, Stage::Confirmed).await;
    until_nothing_is_to_do(&world).await;
    assert_eq!(agenda(&world, Some(later)).await, Vec::<String>::new(), "nobody keeps the time of what was before");

    let (happened, moved) = (events(&world).await, world.count("sim_payments.journal").await);
    for policy in ["order_fulfilment", "reservation_expiry"] {
        let again = reactors::replay(&world.views, policy, &readers(&world), None).await.unwrap();
        assert!(again > 10, "{policy}: {again}");
    }
    until("every deadline is kept", ETA_MAX, async || agenda(&world, Some(later)).await == due).await;
    until_nothing_is_to_do(&world).await;
    assert_eq!((events(&world).await, world.count("sim_payments.journal").await), (happened, moved));
    running.stop().await;
}

#[tokio::test]
async fn what_cannot_be_reacted_to_again_is_refused() {
    let world = World::new().await;
    let refused = async |policy: &str, after: Option<BTreeMap<Context, Position>>| {
        reactors::replay(&world.views, policy, &readers(&world), after.as_ref()).await.unwrap_err()
    };
    let unknown = refused("order_fulfillment", None).await.to_string();
    assert!(unknown.contains("there are: order_fulfilment, reservation_expiry"), "{unknown}");
    for outside in ["payment_provider", "order_mail"] {
        assert!(matches!(refused(outside, None).await, NotReplayed::Effects(_)), "{outside}");
    }
    let orders = |position| Some(BTreeMap::from([(Context::Orders, Position(position))]));
    assert!(matches!(refused("reservation_expiry", orders(0)).await, NotReplayed::NotRead { .. }));
    let beyond = refused("order_fulfilment", orders(7)).await.to_string();
    assert_eq!(beyond, "`orders` ends at 0, before 7");
}
