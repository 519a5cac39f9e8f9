//! Parked events as an operator sees and frees them.

mod retry;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use event_store::keys::KeyRing;
use sqlx::PgPool;
use uuid::Uuid;

use crate::parked_rows;
use crate::projection::ReadModel;
use crate::registry::{UnknownReadModel, find};
use crate::share::NoRebuild;
use crate::stores::Stores;

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

/// What is parked.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The oldest ones.
    pub events: Vec<Parked>,
    /// So many more are parked than are listed.
    pub left_out: i64,
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
    /// Its rows were made by other code, which this must not go on with.
    #[error(
        "the rows of `{name}` were made by version {made} of its code and this is version {ours}: \
         run `handsel rebuild {name} --accept`, which applies what is parked too"
    )]
    OtherVersion {
        /// The read model.
        name: &'static str,
        /// The version of its rows.
        made: i32,
        /// The version of this program.
        ours: i32,
    },
    /// What is decided now would hold in only one of two generations.
    #[error("`{0}` is being rebuilt by another process; when that has ended, look again with `handsel parked list`")]
    Rebuilding(&'static str),
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
pub async fn list(views: &PgPool, projection: Option<&str>) -> Result<Listed, ParkedFailed> {
    let live = "from read.parked p join read.generations g using (projection, generation)
               where g.state = 'live' and ($1::text is null or projection = $1)";
    let events: Vec<Parked> =
        sqlx::query_as(&format!("select p.* {live} order by projection, context, position limit $2"))
            .bind(projection)
            .bind(LISTED_MAX)
            .fetch_all(views)
            .await?;
    let listed = i64::try_from(events.len()).unwrap_or(i64::MAX);
    if listed < LISTED_MAX {
        return Ok(Listed { events, left_out: 0 });
    }
    let all: i64 = sqlx::query_scalar(&format!("select count(*) {live}")).bind(projection).fetch_one(views).await?;
    Ok(Listed { events, left_out: (all - listed).max(0) })
}

/// Applies parked events again, each aggregate's in order up to the first that still fails.
///
/// # Errors
/// If the databases are away, the read model is being rebuilt or has rows of another version; what was freed until then
/// stays freed.
pub async fn retry(
    views: &PgPool,
    stores: &Stores,
    keys: Option<&KeyRing>,
    projection: &str,
) -> Result<Freed, ParkedFailed> {
    let model = find(projection)?;
    let no_rebuild = no_rebuild(views, model).await?;
    let freed = retry::all(views, stores, keys, model).await;
    no_rebuild.end().await?;
    freed
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
    why: (&str, &str),
) -> Result<Freed, ParkedFailed> {
    let model = find(projection)?;
    let no_rebuild = no_rebuild(views, model).await?;
    note_skip(views, model, event, why).await?;
    let freed = retry::all(views, stores, keys, model).await;
    no_rebuild.end().await?;
    freed
}

async fn no_rebuild(views: &PgPool, model: &ReadModel) -> Result<NoRebuild, ParkedFailed> {
    NoRebuild::of(views, model.name).await?.ok_or(ParkedFailed::Rebuilding(model.name))
}

async fn note_skip(
    views: &PgPool,
    model: &ReadModel,
    event: Uuid,
    (reason, by): (&str, &str),
) -> Result<(), ParkedFailed> {
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
    if noted.rows_affected() == 0 { Err(ParkedFailed::NotParked(event, model.name)) } else { Ok(()) }
}

/// The events that are left out, for those who ask why a view lacks something.
///
/// # Errors
/// If Postgres is away.
pub async fn skipped(views: &PgPool, projection: &str) -> Result<HashSet<Uuid>, ParkedFailed> {
    Ok(parked_rows::skips(&mut *views.acquire().await?, find(projection)?.name).await?)
}
