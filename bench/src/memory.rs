//! A second start with many events stored, the memory our process takes, and what it costs when nobody asks anything.

use std::path::Path;
use std::time::Duration;

use crate::Options;
use crate::cells::Cell;
use crate::fill::Filled;
use crate::program::{Place, Program};
use crate::visible;

/// Long enough for caches, pools and the broker to come to rest.
const SETTLE: Duration = Duration::from_secs(15);
const IDLE: Duration = Duration::from_secs(30);
const STARTS: usize = 3;

pub(crate) async fn run(options: &Options, place: &Place, filled: &Filled) -> anyhow::Result<String> {
    let mut text = format!(
        "`handsel up` on {} stored events, started {STARTS} times. Memory is the resident set of our process, \
         embedded broker included, Postgres not; idle is its CPU time over {} s without a request.\n\n\
         | broker | seconds until ready | MiB when ready | MiB after {} s | idle, % of one core |\n\
         |---|---|---|---|---|\n",
        filled.events,
        IDLE.as_secs(),
        SETTLE.as_secs(),
    );
    text.push_str(&row("embedded", &filled.data_dir, None, filled.events).await?);
    match &options.brokers {
        Some(brokers) => {
            // With the instance that these topics belong to: here only what idling costs is of interest.
            let data_dir = place.kafka_data();
            text.push_str(&row("Apache Kafka, few events stored", &data_dir, Some(brokers), 0).await?);
        }
        None => text.push_str("| Apache Kafka | not measured: `KAFKA_BROKERS` was not set | | | |\n"),
    }
    Ok(text)
}

async fn row(broker: &str, data_dir: &Path, brokers: Option<&str>, events: usize) -> anyhow::Result<String> {
    let [mut ready, mut at_once, mut settled, mut idle] = [const { Cell::new() }; 4];
    for _ in 0..STARTS {
        let program = Program::start(data_dir, brokers).await?;
        ready.add(program.ready_after.as_secs_f64());
        at_once.add(program.resident_mib()?);
        if events > 0 {
            visible::wait_for_orders(&program, events).await?;
        }
        tokio::time::sleep(SETTLE).await;
        settled.add(program.resident_mib()?);
        let before = program.cpu_seconds()?;
        tokio::time::sleep(IDLE).await;
        idle.add((program.cpu_seconds()? - before) / IDLE.as_secs_f64() * 100.0);
        program.stop().await?;
    }
    Ok(format!("| {broker} | {} | {} | {} | {} |\n", ready.show(1), at_once.show(0), settled.show(0), idle.show(1)))
}
