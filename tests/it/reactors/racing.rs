//! Two buyers and one last piece, and buyers who change their minds: many times at once.

use domain::orders::{OrderCommand, Stage};
use event_schemas::orders::CancellationReason;
use futures::{StreamExt as _, TryStreamExt as _};
use tests::{ETA_MAX, until};

use super::world::World;

/// `HANDSEL_RACES` asks for more than every change is tested with.
fn races() -> usize {
    std::env::var("HANDSEL_RACES").ok().and_then(|races| races.parse().ok()).unwrap_or(200)
}

const AT_ONCE: usize = 50;

/// Steps of a stock after which less than nothing was on hand, or more was reserved than that.
const BELOW_ZERO: &str = "(
    select sum(case event_type when 'StockReceived' then quantity when 'StockCommitted' then -quantity
                               when 'StockAdjusted' then change else 0 end) over steps as on_hand,
           sum(case event_type when 'StockReserved' then quantity when 'StockReleased' then -quantity
                               when 'StockCommitted' then -quantity else 0 end) over steps as reserved
      from (select event_type, aggregate_id, position, (payload->>'quantity')::bigint as quantity,
                   (payload->>'change')::bigint as change
              from es_products.events where aggregate_type = 'stock') as stocks
    window steps as (partition by aggregate_id order by position)) as prefixes
    where on_hand < 0 or reserved < 0 or reserved > on_hand";

#[tokio::test(flavor = "multi_thread")]
async fn of_two_buyers_of_the_last_piece_one_gets_and_pays_it() {
    let (world, races) = (World::new().await, races());
    let last_pieces: Vec<_> = futures::stream::iter(0..races)
        .map(|_| async { Ok::<_, std::convert::Infallible>(world.sells_for(1200, 1).await) })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
        .unwrap();
    let running = world.run();
    let placed: Vec<_> = futures::stream::iter(&last_pieces)
        .map(|piece| async { futures::join!(world.place(*piece, 1), world.place(*piece, 1)) })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let ended = "(select 1 from es_orders.events where event_type in ('OrderConfirmed', 'OrderCancelled')) as ended";
    until("every order has an end", ETA_MAX * 10, async || world.count(ended).await >= 2 * races as i64).await;
    world.until_count("react.dispatches", 0).await;
    for (piece, (one, other)) in last_pieces.iter().zip(placed) {
        let mut stages = [world.stage(one).await.unwrap(), world.stage(other).await.unwrap()];
        stages.sort_unstable_by_key(|stage| *stage == Stage::Cancelled);
        assert_eq!(stages, [Stage::Confirmed, Stage::Cancelled], "orders {one} and {other}");
        assert_eq!(world.stock(*piece).await, (1, 1));
    }
    let cancelled = "es_orders.events where event_type = 'OrderCancelled' and payload->>'reason' = 'out_of_stock'";
    assert_eq!(world.count(cancelled).await, races as i64);
    assert_eq!(world.count("es_products.events where aggregate_type = 'stock'").await, 2 * races as i64);
    assert_eq!(world.count(BELOW_ZERO).await, 0);
    // Whoever gets nothing has nothing held or taken, not for a moment: pieces come before money, so that no
    // authorization was even asked for. Only the winners' money was moved, each once.
    let of_losers = "es_payments.events p join es_orders.events o using (aggregate_id)
                     where o.event_type = 'OrderCancelled'";
    assert_eq!(world.count(of_losers).await, 0);
    assert_eq!(world.count("es_payments.events where event_type = 'PaymentAuthorized'").await, races as i64);
    assert_eq!(world.count("sim_payments.journal").await, races as i64, "and none was given back");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_an_order_is_cancelled_its_authorization_is_voided_and_its_piece_is_free() {
    let world = World::new().await;
    let races = i64::try_from(races().min(500)).unwrap();
    let product = world.sells_for(1200, races).await;
    let running = world.run();
    let orders: Vec<_> = futures::stream::iter(0..races)
        .map(async |number| {
            let order = world.place(product, 1).await;
            // At once, while it is being paid for, or when it is paid.
            match number % 3 {
                0 => {}
                1 => until("it is reserved", ETA_MAX, async || world.stage(order).await != Some(Stage::Placed)).await,
                _ => world.until_stage(order, Stage::Confirmed).await,
            }
            world.ask(order, OrderCommand::Cancel { reason: CancellationReason::ByCustomer }).await;
            order
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    world.until_count("es_orders.events where event_type = 'OrderCancelled'", races).await;
    let voids = "(select aggregate_id from es_payments.events
                   where event_type in ('PaymentAuthorized', 'PaymentVoided', 'PaymentVoidDropped')
                   group by aggregate_id having not bool_or(event_type <> 'PaymentAuthorized')) as unreturned";
    until("every authorization is given back", ETA_MAX, async || {
        world.count("react.effects where due is not null").await + world.count("react.dispatches").await == 0
            && world.count(voids).await == 0
            && world.stock(product).await == (races, 0)
    })
    .await;
    for order in orders {
        assert_eq!(world.stage(order).await, Some(Stage::Cancelled));
    }
    let of = async |event: &str| world.count(&format!("es_payments.events where event_type = 'Payment{event}'")).await;
    let (authorized, voided) = (of("Authorized").await, of("Voided").await);
    assert!(authorized >= races / 3, "those that were confirmed were paid for: {authorized}");
    assert_eq!((voided, world.count("sim_payments.journal").await), (authorized, 2 * authorized));
    assert_eq!(world.count(BELOW_ZERO).await, 0);
    running.stop().await;
}
