//! Parked events as rows.

use std::collections::HashSet;

use envelope::Recorded;
use event_store::RawPayload;
use sqlx::PgConnection;
use uuid::Uuid;

/// The reason of an event that waits only because an earlier one of its aggregate is parked.
pub(crate) const BEHIND: &str = "an earlier event of its aggregate is parked";

/// Names an aggregate among those of all contexts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, sqlx::FromRow)]
pub(crate) struct Aggregate {
    pub(crate) context: String,
    pub(crate) aggregate_type: String,
    pub(crate) aggregate_id: String,
}

impl Aggregate {
    pub(crate) fn of<E>(event: &Recorded<E>) -> Self {
        Self {
            context: event.context.to_string(),
            aggregate_type: event.aggregate_type.to_string(),
            aggregate_id: event.aggregate_id.clone(),
        }
    }
}

/// Says which aggregates of these events are parked, and locks what is parked of them. A retry that holds them is
/// waited for, and what it freed is free.
pub(crate) async fn lock(
    db: &mut PgConnection,
    projection: &str,
    generation: i32,
    events: &[Recorded<RawPayload>],
) -> sqlx::Result<HashSet<Aggregate>> {
    if platform::faults::planted("parked-does-not-block") {
        return Ok(HashSet::new());
    }
    let rows: Vec<Aggregate> = sqlx::query_as(
        "select context, aggregate_type, aggregate_id from read.parked
          where projection = $1 and generation = $2
            and (context, aggregate_type, aggregate_id) in (select * from unnest($3::text[], $4::text[], $5::text[]))
          order by context, position for update",
    )
    .bind(projection)
    .bind(generation)
    .bind(events.iter().map(|event| &*event.context).collect::<Vec<_>>())
    .bind(events.iter().map(|event| &*event.aggregate_type).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.aggregate_id.as_str()).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Puts an event aside.
pub(crate) async fn park(
    db: &mut PgConnection,
    projection: &str,
    generation: i32,
    event: &Recorded<RawPayload>,
    reason: &str,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into read.parked (projection, generation, context, position, aggregate_type, aggregate_id, event_id,
                                  event_type, reason)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(projection)
    .bind(generation)
    .bind(&*event.context)
    .bind(event.position.get())
    .bind(&*event.aggregate_type)
    .bind(&event.aggregate_id)
    .bind(event.event_id)
    .bind(&*event.event_type)
    .bind(reason)
    .execute(db)
    .await?;
    Ok(())
}

/// The events that somebody decided to leave out of this projection.
pub(crate) async fn skips(db: &mut PgConnection, projection: &str) -> sqlx::Result<HashSet<Uuid>> {
    let ids: Vec<Uuid> = sqlx::query_scalar("select event_id from read.skips where projection = $1")
        .bind(projection)
        .fetch_all(db)
        .await?;
    Ok(ids.into_iter().collect())
}
