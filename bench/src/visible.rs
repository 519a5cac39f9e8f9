//! From a command to its visibility in the query API, at a fixed rate whatever the answers take.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::Options;
use crate::cells;
use crate::program::{Place, Program};

const PER_SECOND: u32 = 200;
const WARM_UP: Duration = Duration::from_secs(5);
const LASTING: Duration = Duration::from_secs(30);
const CAUGHT_UP_MAX: Duration = Duration::from_secs(600);
const CALLER: (&str, &str) = ("Handsel-Caller", "bench;roles=operator");

/// What one command took: until its answer, and until the query API showed its effect.
struct Seen {
    answered: Duration,
    visible: Duration,
    asked_once: Duration,
}

pub(crate) async fn run(options: &Options, place: &Place) -> anyhow::Result<String> {
    let mut text = format!(
        "{PER_SECOND} purchases a second for {} s, open loop: each is counted from the moment it was due.\n\
         *Answered* is the command's answer after the commit; *visible* is the answer of `GET /v1/orders/{{order}}`,\n\
         asked at once with the command's `Consistency-Token`, that holds the order.\n\n\
         | broker | | p50 ms | p95 ms | p99 ms |\n|---|---|---|---|---|\n",
        LASTING.as_secs()
    );
    text.push_str(&measure(&place.path().join("visible"), "embedded", None).await?);
    match &options.brokers {
        Some(brokers) => text.push_str(&measure(&place.kafka_data(), "Apache Kafka", Some(brokers)).await?),
        None => text.push_str("| Apache Kafka | not measured: `KAFKA_BROKERS` was not set | | | |\n"),
    }
    text.push_str("\nEvery order was found, and `verify` passed.");
    Ok(text)
}

async fn measure(data_dir: &Path, broker: &str, brokers: Option<&str>) -> anyhow::Result<String> {
    let program = Program::start(data_dir, brokers).await?;
    at_rate(&program, WARM_UP).await?;
    let seen = at_rate(&program, LASTING).await?;
    program.call(&["verify"]).await?;
    program.stop().await?;
    let rows = [
        ("answered", histogram(seen.iter().map(|seen| seen.answered))),
        ("**visible**", histogram(seen.iter().map(|seen| seen.visible))),
        ("of it, the query", histogram(seen.iter().map(|seen| seen.asked_once))),
    ];
    let row = |(name, latencies): &(&str, Histogram<u64>)| {
        let [p50, p95, p99] = [50.0, 95.0, 99.0].map(|percentile| cells::ms(latencies, percentile));
        format!("| {broker} | {name} | {p50:.1} | {p95:.1} | {p99:.1} |\n")
    };
    Ok(rows.iter().map(row).collect())
}

/// Sends at the rate for this long and waits for all.
async fn at_rate(program: &Program, lasting: Duration) -> anyhow::Result<Vec<Seen>> {
    let http = reqwest::Client::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / PER_SECOND);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let begun = Instant::now();
    let mut sent = JoinSet::new();
    while begun.elapsed() < lasting {
        let due = ticks.tick().await.into_std();
        sent.spawn(one(http.clone(), program.url.clone(), due));
    }
    let mut seen = Vec::new();
    while let Some(one) = sent.join_next().await {
        seen.push(one??);
    }
    Ok(seen)
}

async fn one(http: reqwest::Client, url: String, due: Instant) -> anyhow::Result<Seen> {
    let (order, customer) = (Uuid::now_v7(), Uuid::now_v7());
    let total = json!({ "amount_minor": 1177, "currency": "USD" });
    let answer = http
        .post(format!("{url}/v1/orders/import"))
        .header(CALLER.0, CALLER.1)
        .header("Idempotency-Key", format!("\"{order}\""))
        .json(&json!({ "order": order, "customer": customer, "ordered_on": "1997-01-01", "units": 1, "total": total }))
        .send()
        .await?;
    let answered = due.elapsed();
    ensure!(answer.status().is_success(), "the command: {} {}", answer.status(), answer.text().await?);
    let token = answer.headers().get("Consistency-Token").context("no Consistency-Token")?.clone();
    let asked = Instant::now();
    let found = http
        .get(format!("{url}/v1/orders/{order}"))
        .header(CALLER.0, CALLER.1)
        .header("Consistency-Token", token)
        .send()
        .await?;
    ensure!(found.status().is_success(), "the query: {} {}", found.status(), found.text().await?);
    found.bytes().await?;
    Ok(Seen { answered, visible: due.elapsed(), asked_once: asked.elapsed() })
}

fn histogram(durations: impl Iterator<Item = Duration>) -> Histogram<u64> {
    let mut latencies = cells::micros();
    for duration in durations {
        cells::record(&mut latencies, duration);
    }
    latencies
}

/// The totals as the API says them.
pub(crate) async fn summary(program: &Program) -> anyhow::Result<Value> {
    let url = format!("{}/v1/sales/summary", program.url);
    let answer = reqwest::Client::new().get(url).header(CALLER.0, CALLER.1).send().await?;
    Ok(answer.error_for_status()?.json().await?)
}

/// Waits until the totals count this many orders.
pub(crate) async fn wait_for_orders(program: &Program, orders: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let totals = summary(program).await?;
        if totals["orders"].as_u64() == Some(orders as u64) {
            return Ok(());
        }
        ensure!(begun.elapsed() < CAUGHT_UP_MAX, "still {totals} after {CAUGHT_UP_MAX:?}, {orders} orders expected");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
