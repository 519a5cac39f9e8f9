//! Products that were read before, each known to be as of a place in the store.
//!
//! The audit log has every event in the order of its store, so it tells what changed up to where.
//! [`ProductCache::follow`] reads it: under one lock it drops what changed and moves the place up to which that is
//! done. What lies here then lacks nothing up to that place. A reader with a token is served if its token tells of
//! nothing later.
//!
//! A row that is being loaded when its product changes is not kept: each load has a mark that the change finds. A row
//! that lacks an event which the audit log has, because its view is behind or has parked it, is not kept either.

mod feed;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use platform::token::ConsistencyToken;
use serde_json::value::RawValue;
use tokio::sync::Notify;
use uuid::Uuid;

/// Of which context products are, as its store is called.
pub(crate) const CONTEXT: &str = "products";
/// How many bytes of products are kept.
const BYTES_MAX: u64 = 32 * 1024 * 1024;
/// What an entry takes beside its text.
const ENTRY_BYTES: usize = 256;

/// The products that one process read before. Cheap to clone.
#[derive(Clone)]
pub struct ProductCache(Arc<Inner>);

struct Inner {
    entries: moka::sync::Cache<Uuid, Entry>,
    state: Mutex<State>,
    /// Somebody has read since the feed looked last.
    used: AtomicBool,
    wanted: Notify,
    counts: [AtomicU64; 4],
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

/// A product as it is answered.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) version: i64,
    pub(crate) body: Box<RawValue>,
}

/// From where rows and changes come: of another source, positions or rows mean something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) history: Uuid,
    /// Of the audit log and of the products.
    pub(crate) generations: (i32, i32),
}

/// A place in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AsOf {
    pub(crate) source: Source,
    pub(crate) position: i64,
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
        let weigh = |_: &Uuid, entry: &Entry| {
            u32::try_from(entry.known.body.get().len().saturating_add(ENTRY_BYTES)).unwrap_or(u32::MAX)
        };
        let entries = moka::sync::Cache::builder().max_capacity(BYTES_MAX).weigher(weigh).build();
        // A counter that appears with its first count has no rate then.
        for (_, name) in OUTCOMES {
            reads_total(name).increment(0);
        }
        invalidations_total().increment(0);
        let (state, used, wanted, counts) = Default::default();
        Self(Arc::new(Inner { entries, state, used, wanted, counts }))
    }
}

impl ProductCache {
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
        self.use_it();
        // The place comes first: whatever is found after it was read is at least as new.
        let (through, epoch) = {
            let state = self.state();
            (state.through, state.epoch)
        };
        let (outcome, known) = match through {
            None => (Outcome::Off, None),
            Some(through) if !covers(through, token) => (Outcome::Behind, None),
            Some(_) => match self.0.entries.get(&product).filter(|entry| entry.epoch == epoch) {
                Some(entry) => (Outcome::Hit, Some(entry.known)),
                None => (Outcome::Miss, None),
            },
        };
        let (counted, name) = (&self.0.counts[outcome as usize], OUTCOMES[outcome as usize].1);
        counted.fetch_add(1, Ordering::Relaxed);
        reads_total(name).increment(1);
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

    /// These changed, and nothing else did up to there.
    fn advance(&self, to: AsOf, changed: &[Uuid]) {
        let mut state = self.state();
        if state.through.is_none_or(|through| through.source != to.source || through.position > to.position) {
            self.drop_all(&mut state);
        }
        for product in changed {
            self.0.entries.invalidate(product);
            if let Some(mark) = state.loads.get_mut(product) {
                mark.changes += 1;
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
        if !self.0.used.swap(true, Ordering::Relaxed) {
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

/// Whether everything that the token tells of is done.
fn covers(through: AsOf, token: &ConsistencyToken) -> bool {
    let mut told = token.touched.iter().filter(|((context, _), _)| context == CONTEXT);
    told.all(|(_, (history, position))| history.0 == through.source.history && position.get() <= through.position)
}

fn reads_total(outcome: &'static str) -> metrics::Counter {
    metrics::counter!("handsel_product_cache_reads_total", "outcome" => outcome)
}

fn invalidations_total() -> metrics::Counter {
    metrics::counter!("handsel_product_cache_invalidations_total")
}
