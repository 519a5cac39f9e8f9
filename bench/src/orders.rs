//! From a placed order to its confirmation: reserved and paid, each by a command that a policy sends.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use domain::orders::{OrderCommand, Placing};
use event_schemas::ids::{AccountId, OrderId, ProductId};
use event_schemas::orders::OrderLine;
use event_schemas::{Currency, Money};
use hdrhistogram::Histogram;
use sqlx::PgPool;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::Options;
use crate::cells;
use crate::program::Place;
use crate::shop::{Shop, ask, sku};

const PER_SECOND: u32 = 200;
const WARM_UP: Duration = Duration::from_secs(5);
const LASTING: Duration = Duration::from_secs(30);
const HOT_LASTING: Duration = Duration::from_secs(10);
const PRODUCTS: usize = 500;
const BARE_ROUNDS: usize = 500;
const DONE_MAX: Duration = Duration::from_secs(60);
/// Orders placed, reserved and confirmed; the reservation; the authorization asked for and recorded.
const APPENDS: u32 = 6;
/// From an order placed to its reservation, to the order, to the payment, to the provider, and back to the order.
const HOPS: u32 = 5;
const AMOUNT_MINOR: i64 = 1200;

pub(crate) async fn run(_: &Options, place: &Place) -> anyhow::Result<String> {
    let shop = Shop::open(place, "orders").await?;
    let mut products = Vec::new();
    for _ in 0..PRODUCTS {
        products.push(shop.sells(AMOUNT_MINOR, 1_000_000).await?);
    }
    let bare = Bare::measure(&shop.database).await?;
    let running = shop.run();
    traded(&shop, &products, WARM_UP).await?;
    let usual = traded(&shop, &products, LASTING).await?;
    let hot = traded(&shop, &products[..1], HOT_LASTING).await?;
    running.stop().await?;
    shop.close().await?;
    let sum = APPENDS * bare.append + HOPS * bare.hop + bare.provider;
    let p50 = Duration::from_micros(usual.waited.value_at_percentile(50.0));
    let ms = |duration: Duration| duration.as_secs_f64() * 1_000.0;
    let row = |latencies: &Histogram<u64>| {
        let [p50, p95, p99] = [50.0, 95.0, 99.0].map(|percentile| cells::ms(latencies, percentile));
        format!("{p50:.1} | {p95:.1} | {p99:.1}")
    };
    Ok(format!(
        "{PER_SECOND} orders a second for {} s, open loop, in process, over {PRODUCTS} products: each is placed, \
         reserved, authorized by the simulated provider and confirmed, the last three by commands that policies send. \
         Then all of them for one product, whose stock gathers every reservation.\n\n\
         | | p50 ms | p95 ms | p99 ms |\n|---|---|---|---|\n\
         | placed, from when it was due until the answer | {} |\n\
         | **from placed to confirmed**, as recorded | {} |\n\
         | from placed to confirmed, one product | {} |\n\n\
         The same writes by bare SQL on the same server, one after another with nothing else to do: {APPENDS} \
         appends of one event ({:.2} ms each), {HOPS} times an event read, a checkpoint moved and a command noted \
         ({:.2} ms), and the provider's books ({:.2} ms): {:.1} ms. Placed to confirmed, under the load, beside \
         that sum, at p50: **{:.2}**. None of {} orders was stuck.",
        LASTING.as_secs(),
        row(&usual.answered),
        row(&usual.waited),
        row(&hot.waited),
        ms(bare.append),
        ms(bare.hop),
        ms(bare.provider),
        ms(sum),
        p50.as_secs_f64() / sum.as_secs_f64(),
        usual.count + hot.count,
    ))
}

/// What came of orders that were placed at the rate.
struct Traded {
    count: usize,
    answered: Histogram<u64>,
    waited: Histogram<u64>,
}

async fn traded(shop: &Shop, products: &[ProductId], lasting: Duration) -> anyhow::Result<Traded> {
    let begun: DateTime<Utc> = sqlx::query_scalar("select clock_timestamp()").fetch_one(&shop.database).await?;
    let Sent { count, answered } = at_rate(shop, products, lasting).await?;
    let stuck = confirmed(shop).await?;
    ensure!(stuck == 0, "{stuck} of {count} orders are not confirmed after {DONE_MAX:?}");
    Ok(Traded { count, answered, waited: waited(&shop.database, begun).await? })
}

struct Sent {
    count: usize,
    answered: Histogram<u64>,
}

/// Places orders at the rate and waits for the answers.
async fn at_rate(shop: &Shop, products: &[ProductId], lasting: Duration) -> anyhow::Result<Sent> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / PER_SECOND);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let (begun, mut placing) = (Instant::now(), JoinSet::new());
    while begun.elapsed() < lasting {
        let due = ticks.tick().await.into_std();
        let (orders, product, sku) = (shop.sender.orders.clone(), products[placing.len() % products.len()], sku()?);
        placing.spawn(async move {
            let order = OrderId::new();
            let unit_price = Money { amount_minor: AMOUNT_MINOR, currency: Currency::USD };
            let command = OrderCommand::Place(Box::new(Placing {
                order,
                customer: AccountId(Uuid::now_v7()),
                seller: AccountId(Uuid::nil()),
                lines: vec![OrderLine { product, sku, title: "Mug, Red".to_owned(), quantity: 1, unit_price }],
                payment_method: "pm_sim_ok".to_owned(),
                at: platform::clock::now(),
            }));
            let done = orders.execute(&order.to_string(), command, ask()).await;
            done.map(|_| due.elapsed()).map_err(|refused| anyhow::anyhow!("refused: {refused:?}"))
        });
    }
    let mut sent = Sent { count: 0, answered: cells::micros() };
    while let Some(answered) = placing.join_next().await {
        sent.count += 1;
        cells::record(&mut sent.answered, answered??);
    }
    Ok(sent)
}

/// How many of the orders are not confirmed when everybody had the time.
async fn confirmed(shop: &Shop) -> anyhow::Result<i64> {
    let begun = Instant::now();
    loop {
        let events = "es_orders.events where event_type =";
        let open = shop.count(&format!("{events} 'OrderPlaced'")).await?
            - shop.count(&format!("{events} 'OrderConfirmed'")).await?;
        if open == 0 || begun.elapsed() > DONE_MAX {
            return Ok(open);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How long each order took from being placed to being confirmed.
async fn waited(database: &PgPool, since: DateTime<Utc>) -> anyhow::Result<Histogram<u64>> {
    let rows: Vec<i64> = sqlx::query_scalar(
        "select (extract(epoch from c.recorded_at - p.recorded_at) * 1000000)::bigint
           from es_orders.events p join es_orders.events c using (aggregate_type, aggregate_id)
          where p.event_type = 'OrderPlaced' and c.event_type = 'OrderConfirmed' and p.recorded_at >= $1",
    )
    .bind(since)
    .fetch_all(database)
    .await?;
    let mut waited = cells::micros();
    for micros in rows {
        waited.saturating_record(u64::try_from(micros).context("nothing is confirmed before it is placed")?);
    }
    Ok(waited)
}

/// What the same takes by hand, at p50.
struct Bare {
    append: Duration,
    hop: Duration,
    provider: Duration,
}

impl Bare {
    async fn measure(database: &PgPool) -> anyhow::Result<Self> {
        sqlx::raw_sql(
            "create schema bare;
             create table bare.events (position bigint primary key, id uuid, version bigint, payload json,
                                       unique (id, version));
             create table bare.checkpoints (name text primary key, position bigint);
             insert into bare.checkpoints values ('orders', 0);
             create table bare.dispatches (number bigint generated always as identity primary key, command json);
             create table bare.operations (operation uuid primary key, answer json)",
        )
        .execute(database)
        .await?;
        let [mut append, mut hop, mut provider] = [cells::micros(), cells::micros(), cells::micros()];
        let payload = serde_json::json!({"customer": Uuid::nil(), "total": {"amount_minor": 1200, "currency": "USD"}});
        for position in 1..=i64::try_from(BARE_ROUNDS)? {
            let begun = Instant::now();
            sqlx::query("insert into bare.events values ($1, $2, 1, $3)")
                .bind(position)
                .bind(Uuid::now_v7())
                .bind(&payload)
                .execute(database)
                .await?;
            cells::record(&mut append, begun.elapsed());
            let begun = Instant::now();
            hopped(database, position, &payload).await?;
            cells::record(&mut hop, begun.elapsed());
            let begun = Instant::now();
            sqlx::query("insert into bare.operations values ($1, $2)")
                .bind(Uuid::now_v7())
                .bind(&payload)
                .execute(database)
                .await?;
            cells::record(&mut provider, begun.elapsed());
        }
        let p50 = |latencies: &Histogram<u64>| Duration::from_micros(latencies.value_at_percentile(50.0));
        Ok(Self { append: p50(&append), hop: p50(&hop), provider: p50(&provider) })
    }
}

async fn hopped(database: &PgPool, position: i64, payload: &serde_json::Value) -> anyhow::Result<()> {
    let read = "select position, payload from bare.events where position > $1 order by position limit 500";
    let found = sqlx::query(read).bind(position - 1).fetch_all(database).await?;
    ensure!(found.len() == 1, "there is one new event");
    let mut tx = database.begin().await?;
    sqlx::query("update bare.checkpoints set position = $1").bind(position).execute(&mut *tx).await?;
    sqlx::query("insert into bare.dispatches (command) values ($1)").bind(payload).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}
