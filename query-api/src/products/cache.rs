//! Products that were read before, each known to be as of a place in the store.
//!
//! The audit log has every event in the order of its store, so it tells what changed up to where.
//! [`ProductCache::follow`] reads it: under one lock it drops what changed and moves the place up to which that is
//! done. What lies here then lacks nothing up to that place. A reader with a token is served if its token tells of
//! nothing later.
//!
//! A row that is being loaded when its product changes is not kept: each load has a mark that the change finds. A row
//! that lacks an event which the audit log has, because its view is behind or has parked it, is not kept either.
//!
//! What is not here may lie in a Redis that processes share: `shared` says when that is as good.

mod changes;
mod checks;
mod feed;
mod known;
mod shared;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::Counter;
use platform::token::ConsistencyToken;
use tokio::sync::Notify;
use uuid::Uuid;

use self::changes::Changes;
use self::checks::Checks;
pub(crate) use self::known::{AsOf, Known, Source};
use crate::redis::Redis;

/// Of which context products are, as its store is called.
pub(crate) const CONTEXT: &str = "products";
/// How many bytes of products are kept unless it is said otherwise.
const BYTES_MAX: u64 = 32 * 1024 * 1024;
/// What an entry takes beside its text.
const ENTRY_BYTES: usize = 256;

/// The products that one process read before. Cheap to clone.
#[derive(Clone)]
pub struct ProductCache(Arc<Inner>);

struct Inner {
    entries: moka::sync::Cache<Uuid, Entry>,
    /// Whether anything is kept at all.
    keeps: bool,
    redis: Option<Redis>,
    state: Mutex<State>,
    /// Somebody has read since the feed looked last.
    used: AtomicBool,
    wanted: Notify,
    counts: [AtomicU64; 4],
    reads: [Counter; 4],
    checks: Checks,
}

/// How often products were read, by what came of it. The hit rate is `hits` of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// It was here.
    pub hits: u64,
    /// It was not.
    pub misses: u64,
    /// The reader's token tells of something later than what is known here.
    pub behind: u64,
    /// Nobody follows the audit log just now, so nothing is known.
    pub off: u64,
}

#[derive(Clone)]
struct Entry {
    known: Arc<Known>,
    /// Entries of an earlier one are left over.
    epoch: u64,
}

#[derive(Default)]
struct State {
    /// Whatever changed up to here is not in the cache any more.
    through: Option<AsOf>,
    /// What changed lately, for what another process knows as of earlier.
    changes: Changes,
    /// Grows whenever everything is dropped.
    epoch: u64,
    /// What is being loaded.
    loads: HashMap<Uuid, Mark>,
}

/// That a product is being loaded.
#[derive(Default)]
struct Mark {
    readers: usize,
    /// How often it changed since somebody began.
    changes: u64,
}

/// A product is being loaded as long as this lives.
pub(crate) struct Loading {
    cache: ProductCache,
    product: Uuid,
    /// What was done when it began.
    began: AsOf,
    epoch: u64,
    changes: u64,
}

/// What came of a read, in the order of the counts.
#[derive(Clone, Copy)]
enum Outcome {
    Hit,
    Miss,
    Behind,
    Off,
}

const OUTCOMES: [(Outcome, &str); 4] =
    [(Outcome::Hit, "hit"), (Outcome::Miss, "miss"), (Outcome::Behind, "behind"), (Outcome::Off, "off")];

impl Default for ProductCache {
    fn default() -> Self {
        Self::new(BYTES_MAX, None)
    }
}

impl ProductCache {
    /// Keeps so many bytes, and shares what it loads in this Redis. With no bytes it does neither.
    #[must_use]
    pub fn new(bytes_max: u64, redis: Option<Redis>) -> Self {
        let weigh = |_: &Uuid, entry: &Entry| {
            u32::try_from(entry.known.body.len().saturating_add(ENTRY_BYTES)).unwrap_or(u32::MAX)
        };
        let entries = moka::sync::Cache::builder().max_capacity(bytes_max).weigher(weigh).build();
        // A counter that appears with its first count has no rate then.
        let reads = OUTCOMES.map(|(_, name)| reads_total(name));
        reads.iter().for_each(|counter| counter.increment(0));
        invalidations_total().increment(0);
        shared::register();
        let keeps = bytes_max > 0;
        let redis = redis.filter(|_| keeps);
        let (state, used, wanted, counts, checks) = Default::default();
        Self(Arc::new(Inner { entries, keeps, redis, state, used, wanted, counts, reads, checks }))
    }

    /// How often products were read.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let count = |outcome: Outcome| self.0.counts[outcome as usize].load(Ordering::Relaxed);
        Counts {
            hits: count(Outcome::Hit),
            misses: count(Outcome::Miss),
            behind: count(Outcome::Behind),
            off: count(Outcome::Off),
        }
    }

    /// A product that lacks nothing of what the token tells of.
    pub(crate) fn get(&self, product: Uuid, token: &ConsistencyToken) -> Option<Arc<Known>> {
        if !self.0.keeps {
            return None;
        }
        self.use_it();
        // The place comes first: whatever is found after it was read is at least as new.
        let (through, epoch) = {
            let state = self.state();
            (state.through, state.epoch)
        };
        let (outcome, known) = match through {
            None => (Outcome::Off, None),
            Some(through) if !through.covers(token) => (Outcome::Behind, None),
            Some(through) => match self.0.entries.get(&product).filter(|entry| entry.epoch == epoch) {
                Some(entry) => {
                    self.0.checks.offer(product, entry.known.version, through);
                    (Outcome::Hit, Some(entry.known))
                }
                None => (Outcome::Miss, None),
            },
        };
        self.0.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
        self.0.reads[outcome as usize].increment(1);
        known
    }

    /// Says that a product is going to be loaded; `None` if it could not be kept.
    pub(crate) fn begin(&self, product: Uuid) -> Option<Loading> {
        let mut state = self.state();
        let (began, epoch) = (state.through?, state.epoch);
        let mark = state.loads.entry(product).or_default();
        mark.readers += 1;
        let changes = mark.changes;
        drop(state);
        Some(Loading { cache: self.clone(), product, began, epoch, changes })
    }

    /// Nothing was known, and is from here on; `changes` is what changed before, as far as that was looked up.
    fn start(&self, at: AsOf, changes: Changes) {
        let mut state = self.state();
        self.drop_all(&mut state);
        state.changes = changes;
        state.through = Some(at);
    }

    /// These changed, each at its position, and nothing else did up to there.
    fn advance(&self, to: AsOf, changed: &[(Uuid, i64)]) {
        let mut state = self.state();
        if state.through.is_none_or(|through| through.source != to.source || through.position > to.position) {
            self.drop_all(&mut state);
            state.changes = Changes::since(to.position);
        }
        for (product, position) in changed {
            self.0.entries.invalidate(product);
            if let Some(mark) = state.loads.get_mut(product) {
                mark.changes += 1;
            }
            if self.0.redis.is_some() {
                state.changes.note(*product, *position, to.position);
            }
        }
        state.through = Some(to);
        drop(state);
        invalidations_total().increment(u64::try_from(changed.len()).unwrap_or_default());
    }

    /// Nobody follows what changes any more, or more changed than can be said.
    fn pause(&self) {
        let mut state = self.state();
        self.drop_all(&mut state);
        state.through = None;
    }

    fn through(&self) -> Option<AsOf> {
        self.state().through
    }

    fn drop_all(&self, state: &mut State) {
        state.epoch += 1;
        self.0.entries.invalidate_all();
    }

    fn use_it(&self) {
        // Most of the time it was said already, and cores need not pass the word around.
        if !self.0.used.load(Ordering::Relaxed) && !self.0.used.swap(true, Ordering::Relaxed) {
            self.0.wanted.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loading {
    /// Keeps what was loaded, unless it may lack something that is known to have changed.
    pub(crate) fn put(self, known: Arc<Known>, as_of: AsOf) {
        let state = self.cache.state();
        let changed = state.loads.get(&self.product).is_none_or(|mark| mark.changes != self.changes);
        let usable = as_of.source == self.began.source && as_of.position >= self.began.position;
        if !changed && usable && state.epoch == self.epoch {
            // Under the lock: a change that comes next finds it.
            self.cache.0.entries.insert(self.product, Entry { known, epoch: self.epoch });
        }
        drop(state);
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        let mut state = self.cache.state();
        if let Some(mark) = state.loads.get_mut(&self.product) {
            mark.readers -= 1;
            if mark.readers == 0 {
                state.loads.remove(&self.product);
            }
        }
    }
}

fn reads_total(outcome: &'static str) -> Counter {
    metrics::counter!("handsel_product_cache_reads_total", "outcome" => outcome)
}

fn invalidations_total() -> Counter {
    metrics::counter!("handsel_product_cache_invalidations_total")
}
