//! Keys that were used a moment ago.
//!
//! Two generations: after half a lifetime, or when it is full, the young one takes the place of the old one; the old
//! one is dropped a lifetime after it began. So no key outlives [`LIFETIME`], and there is no bookkeeping per key.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use envelope::SubjectKey;
use uuid::Uuid;

/// How long a key that another process destroyed can still be used here.
const LIFETIME: Duration = Duration::from_secs(60);
/// How many keys are kept, at most: about 200 bytes each.
const KEYS_MAX: usize = 100_000;

pub(super) struct Cache(Mutex<Generations>);

struct Generations {
    young: Generation,
    old: Generation,
    /// Grows when a key is destroyed: what was read before that is not kept.
    epoch: u64,
}

struct Generation {
    begun: Instant,
    keys: HashMap<Uuid, SubjectKey>,
    ids: HashMap<String, Uuid>,
}

impl Cache {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(Generations { young: Generation::begin(now), old: Generation::begin(now), epoch: 0 }))
    }

    /// To be taken before a key is read, for [`Cache::keep`].
    pub(super) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Keeps a key, unless one was destroyed since the epoch was taken: it might be this one.
    pub(super) fn keep(&self, epoch: u64, key: &SubjectKey, now: Instant) {
        let mut all = self.lock();
        if all.epoch != epoch {
            return;
        }
        all.turn(now);
        all.young.ids.insert(key.subject().to_owned(), key.id());
        all.young.keys.insert(key.id(), key.clone());
    }

    pub(super) fn of_subject(&self, subject: &str, now: Instant) -> Option<SubjectKey> {
        let mut all = self.lock();
        all.turn(now);
        let find = |in_it: &Generation| in_it.ids.get(subject).and_then(|id| in_it.keys.get(id)).cloned();
        find(&all.young).or_else(|| find(&all.old))
    }

    /// The keys that are here, and the ids of the others, each once.
    pub(super) fn of_ids(&self, ids: &[Uuid], now: Instant) -> (HashMap<Uuid, SubjectKey>, Vec<Uuid>) {
        let mut all = self.lock();
        all.turn(now);
        let mut found = HashMap::with_capacity(ids.len());
        let mut missing = Vec::new();
        for id in ids {
            match all.young.keys.get(id).or_else(|| all.old.keys.get(id)) {
                Some(key) => drop(found.insert(*id, key.clone())),
                None => missing.push(*id),
            }
        }
        missing.sort_unstable();
        missing.dedup();
        (found, missing)
    }

    pub(super) fn forget(&self, subject: &str) {
        let mut all = self.lock();
        all.epoch += 1;
        let Generations { young, old, .. } = &mut *all;
        for generation in [young, old] {
            if let Some(id) = generation.ids.remove(subject) {
                generation.keys.remove(&id);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        // Nothing in here panics half-way, so what a poisoned lock guards is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn turn(&mut self, now: Instant) {
        if self.young.age(now) >= LIFETIME / 2 || self.young.keys.len() >= KEYS_MAX / 2 {
            self.old = std::mem::replace(&mut self.young, Generation::begin(now));
        }
        if self.old.age(now) >= LIFETIME {
            self.old = Generation::begin(now);
        }
    }
}

impl Generation {
    fn begin(now: Instant) -> Self {
        Self { begun: now, keys: HashMap::new(), ids: HashMap::new() }
    }

    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.begun)
    }
}

#[cfg(test)]
mod tests;
