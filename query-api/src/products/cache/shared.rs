//! The second tier: a Redis in which processes share what they loaded.
//!
//! Redis is trusted with nothing about time. Each value says as of which position of its source nothing of it is
//! lacking, and this process remembers what changed since: it takes a value only if the product did not change after
//! that position, as far as it knows, or if the value is newer than what it knows. So it does not matter who wrote the
//! value, how far behind they were, or whether Redis lost, kept or brought back an older one.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use platform::token::ConsistencyToken;
use utoipa::{PartialSchema as _, ToSchema as _};
use uuid::Uuid;

use super::known::{AsOf, Known, Source};
use super::{Entry, ProductCache};
use crate::products::Product;
use crate::redis::{NoAnswer, Redis};

/// What came of asking the second tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Hit,
    /// It is not there.
    Miss,
    /// It is there, and may lack something that is known to have changed, or that the token tells of.
    Old,
    /// It did not answer in time.
    Failed,
    /// It failed a moment ago and was not asked.
    Away,
}

const OUTCOMES: [(Outcome, &str); 5] = [
    (Outcome::Hit, "hit"),
    (Outcome::Miss, "miss"),
    (Outcome::Old, "old"),
    (Outcome::Failed, "failed"),
    (Outcome::Away, "away"),
];

/// Shows the counters before they count, so that they have a rate then.
pub(super) fn register() {
    crate::redis::register();
    for (_, name) in OUTCOMES {
        reads_total(name).increment(0);
    }
}

impl ProductCache {
    /// A product that another process loaded, or this one earlier, and that lacks nothing of what is known here to have
    /// changed, nor of what the token tells of.
    pub(crate) async fn shared(&self, product: Uuid, token: &ConsistencyToken) -> Option<Arc<Known>> {
        let redis = self.0.redis.as_ref()?;
        let source = self.through()?.source;
        let (outcome, known) = match redis.get(&key(source, product)).await {
            Ok(Some(value)) => self.accept(product, source, &value, token),
            Ok(None) => (Outcome::Miss, None),
            Err(NoAnswer::Failed) => (Outcome::Failed, None),
            Err(NoAnswer::NotAsked) => (Outcome::Away, None),
        };
        reads_total(OUTCOMES[outcome as usize].1).increment(1);
        known
    }

    /// Lets other processes have what was loaded.
    pub(crate) fn share(&self, product: Uuid, known: &Known, as_of: AsOf) {
        if let Some(redis) = &self.0.redis {
            redis.put(key(as_of.source, product), known.shared(as_of.position));
        }
    }

    /// The rule. Under the lock, so that a change that comes next finds what is kept.
    pub(super) fn accept(
        &self,
        product: Uuid,
        source: Source,
        value: &Bytes,
        token: &ConsistencyToken,
    ) -> (Outcome, Option<Arc<Known>>) {
        let Some((position, known)) = Known::read(value) else { return (Outcome::Miss, None) };
        let known = Arc::new(known);
        let state = self.state();
        let Some(through) = state.through.filter(|through| through.source == source) else {
            return (Outcome::Old, None);
        };
        let position = if position >= through.position {
            position
        } else if state.changes.unchanged(product, position) {
            through.position
        } else {
            return (Outcome::Old, None);
        };
        self.0.entries.insert(product, Entry { known: known.clone(), epoch: state.epoch });
        drop(state);
        let as_of = AsOf { source, position };
        if as_of.covers(token) { (Outcome::Hit, Some(known)) } else { (Outcome::Old, None) }
    }

    /// The Redis that is the second tier, if there is one; somebody must tend it.
    #[must_use]
    pub fn redis(&self) -> Option<&Redis> {
        self.0.redis.as_ref()
    }
}

/// One source is never taken for another, nor one form of the answer: both stand in the key.
fn key(source: Source, product: Uuid) -> String {
    let (audit, products) = source.generations;
    let (form, history) = (form(), source.history.simple());
    format!("handsel:product:{form:x}:{history}:{audit}.{products}:{}", product.simple())
}

/// Follows from what an answer has: programs that answer differently do not share.
fn form() -> u64 {
    static FORM: OnceLock<u64> = OnceLock::new();
    *FORM.get_or_init(|| {
        let mut parts = vec![("Product".to_owned(), Product::schema())];
        Product::schemas(&mut parts);
        let mut hasher = DefaultHasher::new();
        serde_json::to_string(&parts).unwrap_or_default().hash(&mut hasher);
        hasher.finish()
    })
}

fn reads_total(outcome: &'static str) -> metrics::Counter {
    metrics::counter!("handsel_product_cache_redis_reads_total", "outcome" => outcome)
}
