//! Closed-loop clients: each sends its next command when the last one was answered.

use std::future::Future;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use crate::cells;

/// What the clients did in one sample.
pub(crate) struct Load {
    /// Commands that were acknowledged.
    pub(crate) done: u64,
    /// How long the sample really took.
    pub(crate) elapsed: Duration,
    /// From sending to the answer.
    pub(crate) latencies: Histogram<u64>,
}

impl Load {
    pub(crate) fn per_second(&self) -> f64 {
        self.done as f64 / self.elapsed.as_secs_f64()
    }
}

/// Runs `clients` at once for `lasting`; `command` gets the client's number and the number of its command.
pub(crate) async fn run<F, R>(clients: usize, lasting: Duration, command: F) -> anyhow::Result<Load>
where
    F: Fn(usize, u64) -> R + Clone + Send + 'static,
    R: Future<Output = anyhow::Result<()>> + Send,
{
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let command = command.clone();
        tasks.spawn(async move {
            let mut latencies = cells::micros();
            let mut number = 0;
            while begun.elapsed() < lasting {
                let sent = Instant::now();
                command(client, number).await?;
                latencies.saturating_record(u64::try_from(sent.elapsed().as_micros())?);
                number += 1;
            }
            anyhow::Ok((number, latencies))
        });
    }
    let mut load = Load { done: 0, elapsed: Duration::ZERO, latencies: cells::micros() };
    while let Some(client) = tasks.join_next().await {
        let (done, latencies) = client??;
        load.done += done;
        load.latencies.add(&latencies)?;
    }
    load.elapsed = begun.elapsed();
    Ok(load)
}
