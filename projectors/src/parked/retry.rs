//! Applies what is parked again, aggregate by aggregate.

use std::collections::BTreeMap;

use envelope::{Position, Recorded};
use event_schemas::Context;
use event_store::RawPayload;
use event_store::keys::KeyRing;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sqlx::{PgConnection, PgPool};

use super::{Freed, ParkedFailed};
use crate::checkpoint::Known;
use crate::generation;
use crate::parked_rows::{self, Aggregate};
use crate::projection::{Failed, ReadModel};
use crate::step::{Target, apply_one};
use crate::stores::{Stores, Unfit};

/// One transaction applies at most so many events of an aggregate.
const EVENTS_MAX: i64 = 500;
/// So many events are read from the store at once.
const READS_MAX: usize = 4;

/// Retries every aggregate that has something parked in the live generation.
pub(super) async fn all(
    views: &PgPool,
    stores: &Stores,
    keys: Option<&KeyRing>,
    model: &'static ReadModel,
) -> Result<Freed, ParkedFailed> {
    let mut connection = views.acquire().await?;
    let Some(live) = generation::live(&mut connection, model.name).await? else { return Ok(Freed::default()) };
    if live.version != model.version() {
        return Err(ParkedFailed::OtherVersion { name: model.name, made: live.version, ours: model.version() });
    }
    let skips = parked_rows::skips(&mut connection, model.name).await?;
    let aggregates: Vec<Aggregate> = sqlx::query_as(
        "select distinct context, aggregate_type, aggregate_id
           from read.parked where projection = $1 and generation = $2 order by 1, 2, 3",
    )
    .bind(model.name)
    .bind(live.generation)
    .fetch_all(&mut *connection)
    .await?;
    drop(connection);
    let generations = &[live.generation];
    let target = Target { model, generations, keys, skips: &skips };
    let mut total = Freed::default();
    for aggregate in &aggregates {
        let one = Retry { views, stores, target, generation: live.generation, aggregate }.run().await?;
        total = Freed { freed: total.freed + one.freed, parked: total.parked + one.parked };
    }
    Ok(total)
}

/// The work on one aggregate.
struct Retry<'r> {
    views: &'r PgPool,
    stores: &'r Stores,
    target: Target<'r>,
    generation: i32,
    aggregate: &'r Aggregate,
}

impl Retry<'_> {
    async fn run(&self) -> Result<Freed, ParkedFailed> {
        let mut freed = 0;
        loop {
            let (asked, done) = self.piece().await?;
            freed += done;
            if done < asked || asked == 0 {
                break;
            }
        }
        Ok(Freed { freed, parked: self.count().await? })
    }

    /// Retries the first of them in one transaction: how many it took, and how many are freed.
    async fn piece(&self) -> Result<(u64, u64), ParkedFailed> {
        // Read before any row is held that others wait for.
        let positions = self.positions(&mut *self.views.acquire().await?, false).await?;
        let mut events = self.read(&positions).await?;
        let mut tx = self.views.begin().await?;
        // Locked first, so that newcomers wait; then looked at again, as some may have come before the lock was there.
        self.positions(&mut tx, true).await?;
        let positions = self.positions(&mut tx, false).await?;
        let mut freed = 0;
        for position in &positions {
            let event = match events.remove(position) {
                Some(event) => event,
                None => self.event_at(*position).await?,
            };
            let skipped = self.target.skips.contains(&event.event_id);
            let applied = if skipped { Ok(()) } else { apply_one(&mut tx, self.target, self.generation, &event).await };
            match applied {
                Ok(()) => self.change(&mut tx, &event, None).await?,
                Err(Failed::Event(reason)) => {
                    self.change(&mut tx, &event, Some(&reason)).await?;
                    break;
                }
                Err(Failed::Database(error)) => return Err(error.into()),
                Err(Failed::Outside(error)) => return Err(ParkedFailed::Outside(format!("{error:#}"))),
            }
            freed += 1;
        }
        platform::faults::pass("parked.freed");
        tx.commit().await?;
        Ok((u64::try_from(positions.len()).unwrap_or(u64::MAX), freed))
    }

    async fn positions(&self, db: &mut PgConnection, lock: bool) -> sqlx::Result<Vec<i64>> {
        let sql = format!(
            "select position from read.parked where {WHICH} order by position limit {EVENTS_MAX} {}",
            if lock { "for update" } else { "" }
        );
        sqlx::query_scalar(&sql)
            .bind(self.target.model.name)
            .bind(self.generation)
            .bind(&self.aggregate.context)
            .bind(&self.aggregate.aggregate_type)
            .bind(&self.aggregate.aggregate_id)
            .fetch_all(db)
            .await
    }

    async fn count(&self) -> Result<u64, ParkedFailed> {
        let count: i64 = sqlx::query_scalar(&format!("select count(*) from read.parked where {WHICH}"))
            .bind(self.target.model.name)
            .bind(self.generation)
            .bind(&self.aggregate.context)
            .bind(&self.aggregate.aggregate_type)
            .bind(&self.aggregate.aggregate_id)
            .fetch_one(self.views)
            .await?;
        Ok(count.unsigned_abs())
    }

    async fn read(&self, positions: &[i64]) -> Result<BTreeMap<i64, Recorded<RawPayload>>, ParkedFailed> {
        let read = positions.iter().map(|position| async { Ok((*position, self.event_at(*position).await?)) });
        stream::iter(read).buffered(READS_MAX).try_collect().await
    }

    async fn event_at(&self, position: i64) -> Result<Recorded<RawPayload>, ParkedFailed> {
        let outside = |error: Unfit| ParkedFailed::Outside(error.to_string());
        let context: Context =
            self.aggregate.context.parse().map_err(|error| ParkedFailed::Outside(format!("{error}")))?;
        let (before, at) = (Position(position - 1), Position(position));
        let events = self.stores.range(context, before, at, &Known::new()).await.map_err(outside)?;
        events.into_iter().next().ok_or_else(|| outside(Unfit::Changed(context)))
    }

    /// Takes an event from the parked ones, or notes why it still fails.
    async fn change(
        &self,
        db: &mut PgConnection,
        event: &Recorded<RawPayload>,
        reason: Option<&str>,
    ) -> sqlx::Result<()> {
        let which = "where projection = $1 and generation = $2 and context = $3 and position = $4";
        let sql = match reason {
            None => format!("delete from read.parked {which} and $5::text is null"),
            Some(_) => format!("update read.parked set reason = $5 {which}"),
        };
        sqlx::query(&sql)
            .bind(self.target.model.name)
            .bind(self.generation)
            .bind(&*event.context)
            .bind(event.position.get())
            .bind(reason)
            .execute(db)
            .await?;
        Ok(())
    }
}

/// The parked events of one aggregate.
const WHICH: &str =
    "projection = $1 and generation = $2 and context = $3 and aggregate_type = $4 and aggregate_id = $5";
