//! Counters, gauges and histograms of this process, in the text form that Prometheus reads.

use std::sync::{Mutex, PoisonError};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Bounds in seconds: fine below 10 ms, where our answers should lie.
const SECONDS: &[f64] =
    &[0.000_25, 0.000_5, 0.001, 0.002, 0.003, 0.005, 0.008, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Bounds for numbers of events in a batch.
const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0];

/// Reads what was measured.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

static INSTALLED: Mutex<Option<Metrics>> = Mutex::new(None);

/// Installs the recorder of this process; a second call gives the first one's reader.
pub fn install() -> Result<Metrics, BuildError> {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(metrics) = installed.as_ref() {
        return Ok(metrics.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_events".to_owned()), COUNTS)?
        .install_recorder()?;
    let metrics = Metrics { handle };
    *installed = Some(metrics.clone());
    Ok(metrics)
}

impl Metrics {
    /// Everything measured so far.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds histogram samples into their buckets; without it they pile up while nobody asks.
    pub fn tidy(&self) {
        self.handle.run_upkeep();
    }
}
