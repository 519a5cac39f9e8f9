//! Looks now and then whether what was answered from memory was right, so that operators need not believe it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics::Counter;
use sqlx::PgPool;
use tokio::time::Instant;
use uuid::Uuid;

use super::{AsOf, CONTEXT, ProductCache};

/// How often one answer is looked at again.
const EVERY: Duration = Duration::from_secs(1);

/// The answer that is looked at next.
pub(super) struct Checks {
    wanted: AtomicBool,
    answered: Mutex<Option<Answered>>,
    asked_at: Mutex<Option<Instant>>,
    exact: Counter,
    stale: Counter,
}

/// What somebody was answered, and as of where it was known.
struct Answered {
    product: Uuid,
    version: i64,
    as_of: AsOf,
}

impl Default for Checks {
    fn default() -> Self {
        let [exact, stale] = ["exact", "stale"].map(checks_total);
        [&exact, &stale].into_iter().for_each(|counter| counter.increment(0));
        Self { wanted: AtomicBool::new(true), answered: Mutex::default(), asked_at: Mutex::default(), exact, stale }
    }
}

impl Checks {
    /// Somebody is answered from memory.
    pub(super) fn offer(&self, product: Uuid, version: i64, as_of: AsOf) {
        if self.wanted.load(Ordering::Relaxed) && self.wanted.swap(false, Ordering::Relaxed) {
            *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Answered { product, version, as_of });
        }
    }

    /// The one that is to be looked at, if it is time.
    fn take(&self) -> Option<Answered> {
        let mut asked_at = self.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if asked_at.is_some_and(|at| at.elapsed() < EVERY) {
            return None;
        }
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        *asked_at = Some(Instant::now());
        self.wanted.store(true, Ordering::Relaxed);
        Some(answered)
    }
}

impl ProductCache {
    /// Compares an answer with the audit log: up to the place as of which it was known, no event may be newer.
    pub(super) async fn check(&self, views: &PgPool) -> sqlx::Result<()> {
        let Some(Answered { product, version, as_of }) = self.0.checks.take() else { return Ok(()) };
        let newer = sqlx::query_scalar!(
            r#"select exists (select from read.audit_log e
                               where e.aggregate_id = $1 and e.context = $2 and e.position <= $3 and e.sequence > $4
                                 and e.aggregate_type = 'product') as "newer!""#,
            product.to_string(),
            CONTEXT,
            as_of.position,
            version,
        )
        .fetch_one(views)
        .await?;
        if !newer {
            self.0.checks.exact.increment(1);
        } else if self.through().is_some_and(|through| through.source == as_of.source) {
            self.0.checks.stale.increment(1);
            tracing::error!(%product, version, position = as_of.position, "A product was answered that had changed");
            self.pause();
        }
        Ok(())
    }
}

fn checks_total(outcome: &'static str) -> Counter {
    metrics::counter!("handsel_product_cache_checks_total", "outcome" => outcome)
}
