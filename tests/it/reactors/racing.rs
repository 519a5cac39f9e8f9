//! Two buyers and one last piece, many times at once.

use domain::orders::Stage;
use futures::{StreamExt as _, TryStreamExt as _};
use tests::{ETA_MAX, until};

use super::world::World;

/// `HANDSEL_RACES` asks for more than every change is tested with.
fn races() -> usize {
    std::env::var("HANDSEL_RACES").ok().and_then(|races| races.parse().ok()).unwrap_or(200)
}

const AT_ONCE: usize = 50;

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
    // Whoever gets nothing has nothing held or taken: only the winners' money was moved, each once.
    assert_eq!(world.count("sim_payments.journal").await, races as i64);
    running.stop().await;
}
