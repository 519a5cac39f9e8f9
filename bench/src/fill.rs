//! A system that holds many events, filled through its own API.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::ensure;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Options;
use crate::program::{Place, Program};

/// What the batch route takes at most.
const BATCH_ORDERS: usize = 1000;
const BATCHES_AT_ONCE: usize = 8;
const CUSTOMERS: usize = 20_000;
const DAYS: u64 = 500;

/// A data directory that holds this many orders.
pub(crate) struct Filled {
    pub(crate) data_dir: PathBuf,
    pub(crate) events: usize,
}

pub(crate) async fn run(options: &Options, place: &Place) -> anyhow::Result<Filled> {
    let data_dir = place.path().join("filled");
    let program = Program::start(&data_dir, None).await?;
    let http = reqwest::Client::new();
    let begun = Instant::now();
    let batches = options.events.div_ceil(BATCH_ORDERS);
    let url = format!("{}/v1/orders/import-batch", program.url);
    futures::stream::iter(0..batches)
        .map(|batch| {
            let size = BATCH_ORDERS.min(options.events - batch * BATCH_ORDERS);
            send(&http, &url, batch, size)
        })
        .buffer_unordered(BATCHES_AT_ONCE)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    eprintln!("fill: {} orders in {:.0} s", options.events, begun.elapsed().as_secs_f64());
    program.stop().await?;
    Ok(Filled { data_dir, events: options.events })
}

async fn send(http: &reqwest::Client, url: &str, batch: usize, size: usize) -> anyhow::Result<()> {
    let orders: Vec<_> = (0..size).map(|index| order(batch * BATCH_ORDERS + index)).collect();
    let key = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("batch {batch}").as_bytes());
    let answer = http
        .post(url)
        .header("Handsel-Caller", "bench;roles=operator")
        .header("Idempotency-Key", format!("\"{key}\""))
        .json(&json!({ "orders": orders }))
        .send()
        .await?;
    ensure!(answer.status().is_success(), "batch {batch}: {} {}", answer.status(), answer.text().await?);
    let body: Value = answer.json().await?;
    let results = body["results"].as_array().map_or(&[][..], Vec::as_slice);
    let taken = results.iter().filter(|line| line["status"].as_u64().is_some_and(|status| status < 300)).count();
    ensure!(
        taken == size,
        "batch {batch}: {taken} of {size} lines were taken; the first answer: {:?}",
        results.first()
    );
    Ok(())
}

/// The same orders in every run.
fn order(number: usize) -> Value {
    let named = |kind: &str, number: usize| Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{kind} {number}").as_bytes());
    let day =
        chrono::NaiveDate::from_ymd_opt(1997, 1, 1).expect("the day exists") + chrono::Days::new(number as u64 % DAYS);
    json!({
        "order": named("order", number),
        "customer": named("customer", number % CUSTOMERS),
        "ordered_on": day.to_string(),
        "units": number % 9 + 1,
        "total": { "amount_minor": number % 9000 + 99, "currency": "USD" },
    })
}
