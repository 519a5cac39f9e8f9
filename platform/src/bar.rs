//! Progress of long work: a bar on a terminal, a plain line every few seconds elsewhere; always count, rate and ETA.

#[cfg(test)]
mod tests;

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::clock;

const PLAIN_PERIOD_MS: u64 = 3_000;
/// All bars of this process, below each other.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
/// Stands for "no lag is known".
const NO_LAG: u64 = u64::MAX;

/// Shows how far long work has come. Shared by reference; counting is one atomic addition.
#[derive(Debug)]
pub struct Bar {
    what: String,
    total: OnceLock<u64>,
    done: AtomicU64,
    lag: AtomicU64,
    begun: Instant,
    shown_ms: AtomicU64,
    terminal: Option<ProgressBar>,
}

impl Bar {
    /// Begins to show `what`, out of `total` where that is known.
    pub fn new(what: impl Into<String>, total: Option<u64>) -> Self {
        let what = what.into();
        let terminal = stderr().is_terminal().then(|| terminal_bar(&what, total));
        let total = total.map_or_else(OnceLock::new, OnceLock::from);
        let (done, lag, shown_ms) = (AtomicU64::new(0), AtomicU64::new(NO_LAG), AtomicU64::new(0));
        Bar { what, total, done, lag, begun: clock::monotonic(), shown_ms, terminal }
    }

    /// The work is so long in all; once that is known it stays.
    pub fn total(&self, total: u64) {
        if self.total.set(total).is_ok()
            && let Some(bar) = &self.terminal
        {
            bar.set_length(total);
            bar.set_style(style(true));
        }
    }

    /// `count` more are done.
    pub fn add(&self, count: u64) {
        let done = self.done.fetch_add(count, Ordering::Relaxed) + count;
        self.show(done);
    }

    /// So many are done.
    pub fn set(&self, done: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.show(done);
    }

    /// How many are done.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// How far the reader is behind, in events.
    pub fn lag(&self, events: u64) {
        self.lag.store(events, Ordering::Relaxed);
        if let Some(bar) = &self.terminal {
            bar.set_message(format!("lag {events}"));
        }
    }

    /// Ends with a last line that says how many and how fast; gives the number done.
    pub fn finish(self) -> u64 {
        let done = self.done();
        if let Some(bar) = &self.terminal {
            bar.finish_and_clear();
        }
        let took = self.begun.elapsed();
        print(&format!("{}: {} done in {}, {}/s", self.what, done, short(took), rate(done, took)));
        done
    }

    fn show(&self, done: u64) {
        if let Some(bar) = &self.terminal {
            bar.set_position(done);
            return;
        }
        let elapsed = self.begun.elapsed();
        let now_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let shown_ms = self.shown_ms.load(Ordering::Relaxed);
        if now_ms < shown_ms.saturating_add(PLAIN_PERIOD_MS) {
            return;
        }
        // Only one of those who count at the same time prints.
        if self.shown_ms.compare_exchange(shown_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let lag = Some(self.lag.load(Ordering::Relaxed)).filter(|&lag| lag != NO_LAG);
            print(&line(&self.what, done, self.total.get().copied(), elapsed, lag));
        }
    }
}

/// One plain line: count, share, rate, ETA and lag, as far as they are known.
fn line(what: &str, done: u64, total: Option<u64>, elapsed: Duration, lag: Option<u64>) -> String {
    let rate = rate(done, elapsed);
    let mut line = match total {
        Some(total) => {
            let share = done.min(total) * 100 / total.max(1);
            format!("{what}: {done}/{total} ({share} %), {rate}/s")
        }
        None => format!("{what}: {done}, {rate}/s"),
    };
    if let (Some(total), 1..) = (total, rate) {
        line += &format!(", {} left", short(Duration::from_secs(total.saturating_sub(done) / rate)));
    }
    if let Some(lag) = lag {
        line += &format!(", lag {lag}");
    }
    line
}

fn rate(done: u64, elapsed: Duration) -> u64 {
    let millis = elapsed.as_millis().max(1);
    u64::try_from(u128::from(done) * 1000 / millis).unwrap_or(u64::MAX)
}

fn short(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        seconds @ 1..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

fn print(line: &str) {
    // Nobody to tell if standard error is closed.
    let _ = BARS.suspend(|| writeln!(stderr(), "{line}"));
}

fn terminal_bar(what: &str, total: Option<u64>) -> ProgressBar {
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    BARS.add(bar.with_style(style(total.is_some())).with_prefix(what.to_owned()))
}

fn style(has_total: bool) -> ProgressStyle {
    let template = if has_total {
        "{prefix} {wide_bar} {human_pos}/{human_len} ({percent} %), {per_sec}, {eta} left {msg}"
    } else {
        "{prefix} {spinner} {human_pos}, {per_sec}, {elapsed} {msg}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
