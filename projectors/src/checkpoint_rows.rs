//! Checkpoints as rows: loaded, and compared and set.

use std::collections::BTreeMap;

use envelope::{History, Position};
use event_schemas::Context;
use sqlx::{PgConnection, PgPool, Row as _};

use crate::checkpoint::{Checkpoint, Cursor, Moves, Place};

/// What became of an attempt to move checkpoints.
pub(crate) enum Moved {
    /// All moved. `parked` says whether anything is parked in this generation.
    All { parked: bool },
    /// At least one is not where it was thought to be: load them again.
    Lost,
}

/// Loads the checkpoints of these places and makes those that do not exist, at the beginning of their store.
pub(crate) async fn load(
    pool: &PgPool,
    projection: &str,
    generation: i32,
    places: &BTreeMap<Place, History>,
) -> sqlx::Result<Cursor> {
    let (contexts, partitions) = columns(places.keys());
    let histories: Vec<_> = places.values().map(|history| history.0).collect();
    sqlx::query(
        "insert into read.checkpoints (projection, generation, context, partition, history, position)
         select $1, $2, n.context, n.partition, n.history, 0
           from unnest($3::text[], $4::integer[], $5::uuid[]) as n(context, partition, history)
         on conflict do nothing",
    )
    .bind(projection)
    .bind(generation)
    .bind(&contexts)
    .bind(&partitions)
    .bind(histories)
    .execute(pool)
    .await?;
    let rows = sqlx::query(
        "select context, partition, history, position, event_id, topic_offset from read.checkpoints
          where projection = $1 and generation = $2
            and (context, partition) in (select * from unnest($3::text[], $4::integer[]))",
    )
    .bind(projection)
    .bind(generation)
    .bind(&contexts)
    .bind(&partitions)
    .fetch_all(pool)
    .await?;
    rows.iter().map(read).collect::<sqlx::Result<_>>().map(Cursor::new)
}

pub(crate) fn read(row: &sqlx::postgres::PgRow) -> sqlx::Result<(Place, Checkpoint)> {
    let context: Context = row
        .try_get::<String, _>("context")?
        .parse()
        .map_err(|error| sqlx::Error::ColumnDecode { index: "context".to_owned(), source: Box::new(error) })?;
    let place = Place { context, partition: row.try_get("partition")? };
    let checkpoint = Checkpoint {
        history: History(row.try_get("history")?),
        position: Position(row.try_get("position")?),
        event_id: row.try_get("event_id")?,
        topic_offset: row.try_get("topic_offset")?,
    };
    Ok((place, checkpoint))
}

/// Compares and sets, before any row of the view is touched: whoever else moves them waits here and then has lost.
pub(crate) async fn advance(
    db: &mut PgConnection,
    projection: &str,
    generation: i32,
    moves: &Moves,
) -> sqlx::Result<Moved> {
    let (contexts, partitions) = columns(moves.keys());
    let row = sqlx::query(
        "with moved as (
             update read.checkpoints c
                set position = n.position, event_id = n.event_id,
                    topic_offset = coalesce(n.topic_offset, c.topic_offset), updated_at = now()
               from unnest($3::text[], $4::integer[], $5::uuid[], $6::bigint[], $7::bigint[], $8::uuid[], $9::bigint[])
                    as n(context, partition, history, held, position, event_id, topic_offset)
              where c.projection = $1 and c.generation = $2 and c.context = n.context and c.partition = n.partition
                and c.history = n.history and c.position = n.held
          returning 1)
         select (select count(*) from moved) as moved,
                exists (select from read.parked where projection = $1 and generation = $2) as parked",
    )
    .bind(projection)
    .bind(generation)
    .bind(contexts)
    .bind(partitions)
    .bind(moves.values().map(|(from, _)| from.history.0).collect::<Vec<_>>())
    .bind(moves.values().map(|(from, _)| from.position.get()).collect::<Vec<_>>())
    .bind(moves.values().map(|(_, to)| to.position.get()).collect::<Vec<_>>())
    .bind(moves.values().map(|(_, to)| to.event_id).collect::<Vec<_>>())
    .bind(moves.values().map(|(_, to)| to.topic_offset).collect::<Vec<_>>())
    .fetch_one(db)
    .await?;
    let moved: i64 = row.try_get("moved")?;
    if usize::try_from(moved) == Ok(moves.len()) {
        Ok(Moved::All { parked: row.try_get("parked")? })
    } else {
        Ok(Moved::Lost)
    }
}

fn columns<'p>(places: impl Iterator<Item = &'p Place>) -> (Vec<&'static str>, Vec<i32>) {
    places.map(|place| (place.context.name(), place.partition)).unzip()
}
