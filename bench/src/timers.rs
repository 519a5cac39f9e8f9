//! A hundred thousand timers that are due at once.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use domain::products::StockCommand;
use envelope::Timestamp;
use event_schemas::ids::ReservationId;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::Options;
use crate::cells::Cell;
use crate::program::Place;
use crate::shop::{Shop, ask, sku};

const PRODUCTS: usize = 1_000;
const EACH: usize = 100;
const COMMANDS_AT_ONCE: usize = 512;
const ROUNDS: usize = 3;
const DAY_MICROS: i64 = 86_400_000_000;
const DONE_MAX: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) async fn run(_: &Options, place: &Place) -> anyhow::Result<String> {
    let shop = Shop::open(place, "timers").await?;
    let mut products = Vec::new();
    for _ in 0..PRODUCTS {
        products.push(shop.sells(0, i64::try_from(EACH)?).await?.to_string());
    }
    let running = shop.run();
    let (mut seconds, mut per_second) = (Cell::new(), Cell::new());
    for round in 0..ROUNDS {
        reserve(&shop, &products).await?;
        let all = i64::try_from(PRODUCTS * EACH)?;
        until(&shop, "all are set", &format!("(select count(*) from react.timers) = {all}")).await?;
        let begun = Instant::now();
        sqlx::query("update react.timers set due = now()").execute(&shop.database).await?;
        // Nothing is counted meanwhile: that would read all of what is being measured, again and again.
        until(&shop, "all have fired", "not exists (select from react.timers where policy = 'reservation_expiry')")
            .await?;
        until(&shop, "all were answered", "not exists (select from react.dispatches)").await?;
        let took = begun.elapsed().as_secs_f64();
        eprintln!("timers: round {round}, {took:.1} s");
        seconds.add(took);
        per_second.add((PRODUCTS * EACH) as f64 / took);
    }
    running.stop().await?;
    let released = shop.count("es_products.events where event_type = 'StockReleased'").await?;
    ensure!(released == i64::try_from(PRODUCTS * EACH * ROUNDS)?, "{released} reservations lapsed");
    shop.close().await?;
    Ok(format!(
        "{} reservations of stock lapse at the same moment, in process: from that moment until each has fired, its \
         command was answered after its commit, and nothing is noted any more; {ROUNDS} rounds.\n\n\
         | | median (smallest–largest) |\n|---|---|\n| seconds | **{}** |\n| timers per second | {} |\n\n\
         Each reservation lapsed once.",
        PRODUCTS * EACH,
        seconds.show(1),
        per_second.show(0),
    ))
}

async fn reserve(shop: &Shop, products: &[String]) -> anyhow::Result<()> {
    // Nothing is due before everything is noted.
    let at = platform::clock::now();
    let until = Timestamp::from_micros(at.micros() + DAY_MICROS).context("tomorrow exists")?;
    let sku = sku()?;
    let each = products.iter().flat_map(|product| std::iter::repeat_n(product, EACH));
    futures::stream::iter(each)
        .map(|product| {
            let (stock, id) = (&shop.sender.stock, format!("{product}/{sku}"));
            async move {
                let reservation = ReservationId::new();
                let command = StockCommand::Reserve { reservation, quantity: 1, until, at };
                let done = stock.execute(&id, command, ask()).await;
                done.map(drop).map_err(|refused| anyhow::anyhow!("refused: {refused:?}"))
            }
        })
        .buffer_unordered(COMMANDS_AT_ONCE)
        .try_for_each(|()| async { anyhow::Ok(()) })
        .await
}

async fn until(shop: &Shop, what: &str, holds: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !sqlx::query_scalar(&format!("select {holds}")).fetch_one(&shop.database).await? {
        ensure!(begun.elapsed() < DONE_MAX, "{what}: not after {DONE_MAX:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
