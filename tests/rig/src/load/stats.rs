//! What a load saw.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many wrong answers are kept; the first one matters most.
const WRONG_MAX: usize = 20;

#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) acknowledged: AtomicU64,
    /// Requests that were repeated because nobody knew what had become of them.
    pub(crate) retried: AtomicU64,
    /// Answers of kind 503.
    pub(crate) unavailable: AtomicU64,
    /// Requests that were never settled.
    pub(crate) unknown: AtomicU64,
    /// Requests that were made again on purpose, with the same key.
    pub(crate) repeated: AtomicU64,
    /// Commands that came too early or too late for their order.
    pub(crate) conflicts: AtomicU64,
    pub(crate) read: AtomicU64,
    /// Readers who were told that the view is not there yet.
    pub(crate) late: AtomicU64,
    wrong: Mutex<Vec<String>>,
    answered: Mutex<Gaps>,
}

/// When somebody was answered last, and how long nobody was.
#[derive(Debug, Default)]
struct Gaps {
    last: Option<Instant>,
    longest: Duration,
}

/// A load as numbers.
#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
pub(crate) struct Summary {
    pub(crate) acknowledged: u64,
    pub(crate) retried: u64,
    pub(crate) unavailable: u64,
    pub(crate) unknown: u64,
    pub(crate) repeated: u64,
    #[serde(default)]
    pub(crate) conflicts: u64,
    pub(crate) read: u64,
    pub(crate) late: u64,
    /// For how long nobody was answered, at most.
    pub(crate) silent_ms: u64,
    pub(crate) wrong: Vec<String>,
}

impl Summary {
    /// What was seen before, and this as well.
    pub(crate) fn and(mut self, later: Self) -> Self {
        self.acknowledged += later.acknowledged;
        self.retried += later.retried;
        self.unavailable += later.unavailable;
        self.unknown += later.unknown;
        self.repeated += later.repeated;
        self.conflicts += later.conflicts;
        self.read += later.read;
        self.late += later.late;
        self.silent_ms = self.silent_ms.max(later.silent_ms);
        self.wrong.extend(later.wrong);
        self
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Stats {
    /// Somebody was answered as they should be.
    pub(crate) fn answered(&self) {
        count(&self.acknowledged);
        let Ok(mut gaps) = self.answered.lock() else { return };
        let now = Instant::now();
        if let Some(last) = gaps.last.replace(now) {
            gaps.longest = gaps.longest.max(now - last);
        }
    }

    /// An answer that no fault excuses.
    pub(crate) fn wrong(&self, what: String) {
        let Ok(mut wrong) = self.wrong.lock() else { return };
        if wrong.len() < WRONG_MAX {
            wrong.push(what);
        }
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// The longest silence so far begins anew.
    pub(crate) fn forget_silence(&self) {
        if let Ok(mut gaps) = self.answered.lock() {
            *gaps = Gaps::default();
        }
    }

    pub(crate) fn summary(&self) -> Summary {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Summary {
            acknowledged: read(&self.acknowledged),
            retried: read(&self.retried),
            unavailable: read(&self.unavailable),
            unknown: read(&self.unknown),
            repeated: read(&self.repeated),
            conflicts: read(&self.conflicts),
            read: read(&self.read),
            late: read(&self.late),
            silent_ms: self.answered.lock().map_or(0, |gaps| gaps.longest.as_millis()).try_into().unwrap_or(u64::MAX),
            wrong: self.wrong.lock().map(|wrong| wrong.clone()).unwrap_or_default(),
        }
    }
}
