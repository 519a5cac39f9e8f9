//! Tells the cache what changed, from the audit log.

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::{AsOf, CONTEXT, ProductCache, Source};

/// How often the audit log is read while products are. A reader without a token may see what is so much older.
const EVERY: Duration = Duration::from_millis(25);
/// So long nobody reads a product until the audit log is not read either.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// How long the audit log may lack what the products have, until nothing is known from it.
const LAG_MAX: Duration = Duration::from_secs(1);
/// How long one look may take, and how long it is left alone after one that failed.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// How many changes one look takes in; of more, everything is dropped.
const CHANGES_MAX: i64 = 5_000;

/// One look at the audit log.
struct Look {
    to: AsOf,
    /// How far the products are.
    products: i64,
    changed: Vec<Uuid>,
    /// There were more changes.
    more: bool,
}

impl ProductCache {
    /// Follows the audit log for as long as somebody reads products. Never ends; nothing is kept while it does not run.
    pub async fn follow(&self, views: &PgPool) {
        let _off = Off(self);
        self.0.wanted.notified().await;
        let (mut read_at, mut lag) = (Instant::now(), None);
        loop {
            if self.0.used.swap(false, std::sync::atomic::Ordering::Relaxed) {
                read_at = Instant::now();
            } else if read_at.elapsed() > IDLE_MAX {
                self.pause();
                self.0.wanted.notified().await;
                (read_at, lag) = (Instant::now(), None);
            }
            match timeout(LOOK_MAX, self.look(views)).await {
                Ok(Ok(Some(look))) => self.take(look, &mut lag),
                Ok(Ok(None)) => self.pause(),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "The audit log cannot be read; products are not cached meanwhile");
                    self.pause();
                    sleep(LOOK_MAX).await;
                }
                Err(_) => self.pause(),
            }
            sleep(EVERY).await;
        }
    }

    /// `lag` is when the products were how far: the audit log must have come there a moment later.
    fn take(&self, look: Look, lag: &mut Option<(Instant, i64)>) {
        let Look { to, products, changed, more } = look;
        let (since, position) = *lag.get_or_insert((Instant::now(), products));
        if to.position >= position {
            *lag = Some((Instant::now(), products));
        } else if since.elapsed() > LAG_MAX {
            return self.pause();
        }
        if more {
            self.pause();
        }
        self.advance(to, &changed);
    }

    /// What changed since the last look; `None` if there is no audit log. One statement, so one snapshot: how far it is
    /// and what it has up to there belong together.
    async fn look(&self, views: &PgPool) -> sqlx::Result<Option<Look>> {
        // Without an earlier look there is nothing to drop.
        let from = self.through().map_or(i64::MAX, |through| through.position);
        let row = sqlx::query!(
            r#"select c.history, c.position, c.generation, g.generation as products,
                      (select coalesce(max(p.position), 0) from read.checkpoints p
                        where (p.projection, p.generation, p.context) = ('products', g.generation, $2)) as "reached!",
                      array(select e.aggregate_id from read.audit_log e
                             where e.context = $2 and e.position > $1 and e.position <= c.position
                               and e.aggregate_type = 'product' limit $3) as "changed!: Vec<String>",
                      array(select k.aggregate_id from read.parked k
                             where k.projection = 'audit_log' and k.context = $2 and k.position > $1
                             limit $3) as "parked!: Vec<String>"
                 from read.checkpoints c
                 join read.generations l using (projection, generation)
                 join read.generations g on g.projection = 'products' and g.state = 'live'
                where l.state = 'live' and c.projection = 'audit_log' and c.context = $2 and c.partition = -1"#,
            from,
            CONTEXT,
            CHANGES_MAX,
        )
        .fetch_optional(views)
        .await?;
        Ok(row.map(|row| {
            let changes = [row.changed, row.parked].concat();
            let more = i64::try_from(changes.len()).is_ok_and(|count| count >= CHANGES_MAX);
            let changed = changes.iter().filter_map(|id| id.parse().ok()).collect();
            let source = Source { history: row.history, generations: (row.generation, row.products) };
            Look { to: AsOf { source, position: row.position }, products: row.reached, changed, more }
        }))
    }
}

/// Whoever stops following takes along what is known.
struct Off<'c>(&'c ProductCache);

impl Drop for Off<'_> {
    fn drop(&mut self) {
        self.0.pause();
    }
}
