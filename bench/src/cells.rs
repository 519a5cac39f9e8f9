//! What several samples say together.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Above this spread a figure is marked: something else used the machine.
const SPREAD_MAX: f64 = 0.10;

/// The samples of one cell of a table.
#[derive(Debug, Default)]
pub(crate) struct Cell(Vec<f64>);

impl Cell {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn add(&mut self, sample: f64) {
        self.0.push(sample);
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[odd / 2],
            even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
        }
    }

    /// `median (min–max)`, marked with `~` if the samples differ by more than a tenth among themselves.
    pub(crate) fn show(&self, digits: usize) -> String {
        let low = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mark = if self.spread() > SPREAD_MAX { "~" } else { "" };
        format!("{mark}{:.digits$} ({low:.digits$}–{high:.digits$})", self.median())
    }

    /// Standard deviation over mean.
    fn spread(&self) -> f64 {
        let count = self.0.len() as f64;
        let mean = self.0.iter().sum::<f64>() / count;
        let variance = self.0.iter().map(|sample| (sample - mean).powi(2)).sum::<f64>() / count;
        variance.sqrt() / mean
    }
}

/// A histogram of microseconds up to a minute.
pub(crate) fn micros() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are valid")
}

/// Notes how long something took.
pub(crate) fn record(latencies: &mut Histogram<u64>, took: Duration) {
    latencies.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
}

/// A percentile in milliseconds.
pub(crate) fn ms(latencies: &Histogram<u64>, percentile: f64) -> f64 {
    latencies.value_at_percentile(percentile) as f64 / 1000.0
}

#[cfg(test)]
mod tests;
