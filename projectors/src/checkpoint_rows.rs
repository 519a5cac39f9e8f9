//! Checkpoints as rows: loaded, and compared and set.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use envelope::{History, Position};
use event_schemas::Context;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

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
    db: &mut PgConnection,
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
    .execute(&mut *db)
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
    .fetch_all(db)
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

/// Compares and sets.
const ADVANCE: &str = "
         with n as materialized (
             select n.*, case when $10::text is not null then set_config('lock_timeout', $10, true) end
               from unnest($1::text[], $2::integer[], $3::text[], $4::integer[], $5::uuid[], $6::bigint[],
                           $7::bigint[], $8::uuid[], $9::bigint[])
                 as n(projection, generation, context, partition, history, held, position, event_id, topic_offset)
         ), moved as (
             update read.checkpoints c
                set position = n.position, event_id = n.event_id,
                    topic_offset = coalesce(n.topic_offset, c.topic_offset), updated_at = now()
               from n
              where c.projection = n.projection and c.generation = n.generation
                and c.context = n.context and c.partition = n.partition
                and c.history = n.history and c.position = n.held
          returning 1)
         select (select count(*) from moved) as moved,
                exists (select from read.parked p
                         where (p.projection, p.generation) in (select n.projection, n.generation from n)) as parked";

/// Compares and sets, before any row of the view is touched: whoever else moves them waits here and then has lost.
pub(crate) async fn advance(
    db: &mut PgConnection,
    projection: &str,
    generation: i32,
    moves: &Moves,
) -> sqlx::Result<Moved> {
    advance_all(db, std::iter::once((projection, generation, moves)), None).await
}

/// The same for several projections at once: all of them move, or the transaction is of no use. From here on it waits
/// for no lock longer than this; the first statement says so, because one of its own would be a round trip.
pub(crate) async fn advance_all<'m>(
    db: &mut PgConnection,
    all: impl Iterator<Item = (&'m str, i32, &'m Moves)>,
    lock_wait_max: Option<Duration>,
) -> sqlx::Result<Moved> {
    let mut rows = MoveRows::default();
    for (projection, generation, moves) in all {
        moves.iter().for_each(|(place, (from, to))| rows.push(projection, generation, *place, from, to));
    }
    let wanted = rows.positions.len();
    // It is the one statement of every batch, so its text is put together only to be wrong on purpose.
    let sql = match platform::faults::planted("checkpoint-not-compared") {
        true => Cow::Owned(ADVANCE.replace(" and c.position = n.held", "")),
        false => Cow::Borrowed(ADVANCE),
    };
    let row = sqlx::query(&sql)
        .bind(rows.projections)
        .bind(rows.generations)
        .bind(rows.contexts)
        .bind(rows.partitions)
        .bind(rows.histories)
        .bind(rows.held)
        .bind(rows.positions)
        .bind(rows.event_ids)
        .bind(rows.topic_offsets)
        .bind(lock_wait_max.map(|wait| format!("{}ms", wait.as_millis())))
        .fetch_one(db)
        .await?;
    let moved: i64 = row.try_get("moved")?;
    if usize::try_from(moved) == Ok(wanted) {
        Ok(Moved::All { parked: row.try_get("parked")? })
    } else {
        Ok(Moved::Lost)
    }
}

/// Moves as columns.
#[derive(Default)]
struct MoveRows<'m> {
    projections: Vec<&'m str>,
    generations: Vec<i32>,
    contexts: Vec<&'static str>,
    partitions: Vec<i32>,
    histories: Vec<Uuid>,
    held: Vec<i64>,
    positions: Vec<i64>,
    event_ids: Vec<Option<Uuid>>,
    topic_offsets: Vec<Option<i64>>,
}

impl<'m> MoveRows<'m> {
    fn push(&mut self, projection: &'m str, generation: i32, place: Place, from: &Checkpoint, to: &Checkpoint) {
        self.projections.push(projection);
        self.generations.push(generation);
        self.contexts.push(place.context.name());
        self.partitions.push(place.partition);
        self.histories.push(from.history.0);
        self.held.push(from.position.get());
        self.positions.push(to.position.get());
        self.event_ids.push(to.event_id);
        self.topic_offsets.push(to.topic_offset);
    }
}

fn columns<'p>(places: impl Iterator<Item = &'p Place>) -> (Vec<&'static str>, Vec<i32>) {
    places.map(|place| (place.context.name(), place.partition)).unzip()
}
