//! Tells the cache what changed, from the audit log.

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::changes::Changes;
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
/// How far back changes are looked up at the start, in positions, for what other processes have shared since.
const BACK_MAX: i64 = 100_000;

/// One look at the audit log.
struct Look {
    to: AsOf,
    /// How far the products are.
    products: i64,
    /// Each with its position.
    changed: Vec<(Uuid, i64)>,
    /// There were more changes.
    more: bool,
    /// What changed before, if nothing was known yet.
    before: Option<Changes>,
}

impl ProductCache {
    /// Follows the audit log for as long as somebody reads products. Never ends; nothing is kept while it does not run.
    pub async fn follow(&self, views: &PgPool) {
        if !self.0.keeps {
            return std::future::pending().await;
        }
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
            match timeout(LOOK_MAX, self.look_again(views)).await {
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
        let Look { to, products, changed, more, before } = look;
        let (since, position) = *lag.get_or_insert((Instant::now(), products));
        if to.position >= position {
            *lag = Some((Instant::now(), products));
        } else if since.elapsed() > LAG_MAX {
            return self.pause();
        }
        if more {
            self.pause();
        }
        match before {
            Some(changes) => self.start(to, changes),
            None => self.advance(to, &changed),
        }
    }

    /// One look; before the first one, what changed lately; and now and then whether what was answered was right.
    async fn look_again(&self, views: &PgPool) -> sqlx::Result<Option<Look>> {
        let mut look = self.look(views).await?;
        if let Some(look) = &mut look
            && self.0.redis.is_some()
            && self.through().is_none()
        {
            look.before = Some(look_back(views, look.to.position).await?);
        }
        self.check(views).await?;
        Ok(look)
    }

    /// What changed since the last look; `None` if there is no audit log. One statement, so one snapshot: how far it is
    /// and what it has up to there belong together.
    async fn look(&self, views: &PgPool) -> sqlx::Result<Option<Look>> {
        // Without an earlier look there is nothing to drop.
        let from = self.through().map_or(i64::MAX, |through| through.position);
        let rows = sqlx::query!(
            r#"select c.history, c.position, c.generation, g.generation as products,
                      (select coalesce(max(p.position), 0) from read.checkpoints p
                        where (p.projection, p.generation, p.context) = ('products', g.generation, $2)) as "reached!",
                      e.aggregate_id as "changed?", e.position as "at?"
                 from read.checkpoints c
                 join read.generations l using (projection, generation)
                 join read.generations g on g.projection = 'products' and g.state = 'live'
                 left join lateral (
                      (select e.aggregate_id, e.position from read.audit_log e
                        where e.context = $2 and e.position > $1 and e.position <= c.position
                          and e.aggregate_type = 'product' limit $3)
                      union all
                      (select k.aggregate_id, k.position from read.parked k
                        where k.projection = 'audit_log' and k.context = $2 and k.position > $1 limit $3)) e on true
                where l.state = 'live' and c.projection = 'audit_log' and c.context = $2 and c.partition = -1"#,
            from,
            CONTEXT,
            CHANGES_MAX,
        )
        .fetch_all(views)
        .await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let source = Source { history: first.history, generations: (first.generation, first.products) };
        let to = AsOf { source, position: first.position };
        let products = first.reached;
        let more = i64::try_from(rows.len()).is_ok_and(|count| count >= CHANGES_MAX);
        let changed = rows.iter().filter_map(|row| Some((row.changed.as_ref()?.parse().ok()?, row.at?)));
        Ok(Some(Look { to, products, changed: changed.collect(), more, before: None }))
    }
}

/// What changed lately up to this position, and perhaps a little after it. Whoever begins to follow knows by it which
/// of the shared values still hold.
async fn look_back(views: &PgPool, to: i64) -> sqlx::Result<Changes> {
    let since = to - BACK_MAX;
    let rows = sqlx::query!(
        r#"select aggregate_id as "changed!", max(position) as "at!"
             from (select e.aggregate_id, e.position from read.audit_log e
                    where e.context = $2 and e.position > $1 and e.aggregate_type = 'product'
                   union all
                   select k.aggregate_id, k.position from read.parked k
                    where k.projection = 'audit_log' and k.context = $2 and k.position > $1) c
            group by aggregate_id"#,
        since,
        CONTEXT,
    )
    .fetch_all(views)
    .await?;
    let mut changes = Changes::since(since);
    for row in rows {
        if let Ok(product) = row.changed.parse() {
            changes.note(product, row.at, to);
        }
    }
    Ok(changes)
}

/// Whoever stops following takes along what is known.
struct Off<'c>(&'c ProductCache);

impl Drop for Off<'_> {
    fn drop(&mut self) {
        self.0.pause();
    }
}
