//! Parked events as an operator sees and frees them.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use envelope::{Position, Recorded};
use event_schemas::Context;
use event_store::RawPayload;
use event_store::keys::KeyRing;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::checkpoint::Known;
use crate::parked_rows::{self, Aggregate};
use crate::projection::Failed;
use crate::registry::{UnknownReadModel, find};
use crate::step::{Target, apply_one};
use crate::stores::{Stores, Unfit};

/// How many parked events are listed at most.
const LISTED_MAX: i64 = 1_000;

/// An event that could not be applied, or waits behind one.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Parked {
    /// The read model in which it is missing.
    pub projection: String,
    /// The generation of it.
    pub generation: i32,
    /// The context of the event.
    pub context: String,
    /// Its position there.
    pub position: i64,
    /// The kind of its aggregate.
    pub aggregate_type: String,
    /// Its aggregate.
    pub aggregate_id: String,
    /// The event.
    pub event_id: Uuid,
    /// Its type.
    pub event_type: String,
    /// Why it is parked.
    pub reason: String,
    /// Since when.
    pub parked_at: DateTime<Utc>,
}

/// What a retry did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Events that are applied now, or left out as somebody decided.
    pub freed: u64,
    /// Events that still cannot be applied, and those behind them.
    pub parked: u64,
}

/// Why parked events could not be worked on.
#[derive(Debug, thiserror::Error)]
pub enum ParkedFailed {
    /// There is no such read model.
    #[error(transparent)]
    Unknown(#[from] UnknownReadModel),
    /// There is no such event.
    #[error("event {0} is not parked in `{1}`; `handsel parked list` shows what is")]
    NotParked(Uuid, &'static str),
    /// Postgres refused or is away.
    #[error("the database refused: {0}")]
    Database(#[from] sqlx::Error),
    /// Something around it is away or damaged.
    #[error("{0}")]
    Outside(String),
}

/// Lists what is parked, the oldest first; `None` for all read models.
///
/// # Errors
/// If Postgres is away.
pub async fn list(views: &PgPool, projection: Option<&str>) -> Result<Vec<Parked>, ParkedFailed> {
    Ok(sqlx::query_as(
        "select p.* from read.parked p join read.generations g using (projection, generation)
          where g.state = 'live' and ($1::text is null or projection = $1)
          order by projection, context, position limit $2",
    )
    .bind(projection)
    .bind(LISTED_MAX)
    .fetch_all(views)
    .await?)
}

/// Applies parked events again, each aggregate's in order up to the first that still fails.
///
/// # Errors
/// If the databases are away; what was freed until then stays freed.
pub async fn retry(
    views: &PgPool,
    stores: &Stores,
    keys: Option<&KeyRing>,
    projection: &str,
) -> Result<Freed, ParkedFailed> {
    let model = find(projection)?;
    let skips = parked_rows::skips(&mut *views.acquire().await?, model.name).await?;
    let groups: Vec<(i32, String, String, String)> = sqlx::query_as(
        "select distinct generation, context, aggregate_type, aggregate_id
           from read.parked where projection = $1 order by 1, 2, 3, 4",
    )
    .bind(model.name)
    .fetch_all(views)
    .await?;
    let mut total = Freed::default();
    for (generation, context, aggregate_type, aggregate_id) in groups {
        let aggregate = Aggregate { context, aggregate_type, aggregate_id };
        let generations = &[generation];
        let target = Target { model, generations, keys, skips: &skips };
        let one = retry_aggregate(views, stores, target, generation, &aggregate).await?;
        total = Freed { freed: total.freed + one.freed, parked: total.parked + one.parked };
    }
    Ok(total)
}

/// Leaves an event out of a read model for ever, also when it is built again, and retries what waited behind it.
///
/// # Errors
/// [`ParkedFailed::NotParked`] if it is not parked there; otherwise as [`retry`].
pub async fn skip(
    views: &PgPool,
    stores: &Stores,
    keys: Option<&KeyRing>,
    projection: &str,
    event: Uuid,
    (reason, by): (&str, &str),
) -> Result<Freed, ParkedFailed> {
    let model = find(projection)?;
    let noted = sqlx::query(
        "insert into read.skips (projection, event_id, reason, skipped_by)
         select distinct projection, event_id, $3, $4 from read.parked where projection = $1 and event_id = $2
         on conflict (projection, event_id) do update set reason = excluded.reason, skipped_by = excluded.skipped_by",
    )
    .bind(model.name)
    .bind(event)
    .bind(reason)
    .bind(by)
    .execute(views)
    .await?;
    if noted.rows_affected() == 0 {
        return Err(ParkedFailed::NotParked(event, model.name));
    }
    retry(views, stores, keys, projection).await
}

async fn retry_aggregate(
    views: &PgPool,
    stores: &Stores,
    target: Target<'_>,
    generation: i32,
    aggregate: &Aggregate,
) -> Result<Freed, ParkedFailed> {
    let mut tx = views.begin().await?;
    // Locked first, so that newcomers wait; then looked at again, as some may have come before the lock was there.
    parked_positions(&mut tx, target, generation, aggregate, true).await?;
    let positions = parked_positions(&mut tx, target, generation, aggregate, false).await?;
    let mut freed = 0;
    for position in &positions {
        let event = event_at(stores, &aggregate.context, *position).await?;
        let skipped = target.skips.contains(&event.event_id);
        let applied = if skipped { Ok(()) } else { apply_one(&mut tx, target, generation, &event).await };
        match applied {
            Ok(()) => change(&mut tx, target, generation, &event, None).await?,
            Err(Failed::Event(reason)) => {
                change(&mut tx, target, generation, &event, Some(&reason)).await?;
                break;
            }
            Err(Failed::Database(error)) => return Err(error.into()),
            Err(Failed::Outside(error)) => return Err(ParkedFailed::Outside(format!("{error:#}"))),
        }
        freed += 1;
    }
    tx.commit().await?;
    let count = u64::try_from(positions.len()).unwrap_or(u64::MAX);
    Ok(Freed { freed, parked: count - freed })
}

async fn parked_positions(
    db: &mut PgConnection,
    target: Target<'_>,
    generation: i32,
    aggregate: &Aggregate,
    lock: bool,
) -> sqlx::Result<Vec<i64>> {
    let sql = format!(
        "select position from read.parked
          where projection = $1 and generation = $2 and context = $3 and aggregate_type = $4 and aggregate_id = $5
          order by context, position {}",
        if lock { "for update" } else { "" }
    );
    sqlx::query_scalar(&sql)
        .bind(target.model.name)
        .bind(generation)
        .bind(&aggregate.context)
        .bind(&aggregate.aggregate_type)
        .bind(&aggregate.aggregate_id)
        .fetch_all(db)
        .await
}

/// Takes an event from the parked ones, or notes why it still fails.
async fn change(
    db: &mut PgConnection,
    target: Target<'_>,
    generation: i32,
    event: &Recorded<RawPayload>,
    reason: Option<&str>,
) -> sqlx::Result<()> {
    let which = "where projection = $1 and generation = $2 and context = $3 and position = $4";
    let sql = match reason {
        None => format!("delete from read.parked {which} and $5::text is null"),
        Some(_) => format!("update read.parked set reason = $5 {which}"),
    };
    sqlx::query(&sql)
        .bind(target.model.name)
        .bind(generation)
        .bind(&*event.context)
        .bind(event.position.get())
        .bind(reason)
        .execute(db)
        .await?;
    Ok(())
}

async fn event_at(stores: &Stores, context: &str, position: i64) -> Result<Recorded<RawPayload>, ParkedFailed> {
    let outside = |error: Unfit| ParkedFailed::Outside(error.to_string());
    let context: Context = context.parse().map_err(|error| ParkedFailed::Outside(format!("{error}")))?;
    let (before, at) = (Position(position - 1), Position(position));
    let events = stores.range(context, before, at, &Known::new()).await.map_err(outside)?;
    events.into_iter().next().ok_or_else(|| outside(Unfit::Changed(context)))
}

/// The events that are left out, for those who ask why a view lacks something.
///
/// # Errors
/// If Postgres is away.
pub async fn skipped(views: &PgPool, projection: &str) -> Result<HashSet<Uuid>, ParkedFailed> {
    Ok(parked_rows::skips(&mut *views.acquire().await?, find(projection)?.name).await?)
}
