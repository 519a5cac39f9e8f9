//! Commands that are to be sent, in their table.

use domain::policies::Dispatch;
use envelope::{Cause, Position};
use event_schemas::Context;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row as _};
use uuid::Uuid;

/// What followed from an event, before it has a place in the table.
pub(crate) struct Note {
    pub(crate) led_by: LedBy,
    pub(crate) dispatch: Dispatch,
}

/// What led to something, and which of several things that did.
#[derive(Clone)]
pub(crate) struct LedBy {
    pub(crate) context: Context,
    pub(crate) position: Position,
    pub(crate) ordinal: i32,
    pub(crate) event_id: Uuid,
    pub(crate) cause: Cause,
}

/// A command as it stands in the table.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    pub(crate) number: i64,
    pub(crate) event_id: Uuid,
    pub(crate) ordinal: i32,
    pub(crate) cause: Cause,
    pub(crate) target: (String, String),
    pub(crate) dispatch: Dispatch,
    /// It was refused and waits for a person.
    pub(crate) parked: bool,
}

/// The columns by which [`noted`] reads a row.
pub(crate) const COLUMNS: &str =
    "number, event_id, ordinal, cause::text, target_type, target_id, dispatch::text, parked is not null";

pub(crate) fn noted(row: &PgRow) -> sqlx::Result<Noted> {
    let json = |error: serde_json::Error| sqlx::Error::Decode(Box::new(error));
    Ok(Noted {
        number: row.try_get(0)?,
        event_id: row.try_get(1)?,
        ordinal: row.try_get(2)?,
        cause: serde_json::from_str(row.try_get(3)?).map_err(json)?,
        target: (row.try_get(4)?, row.try_get(5)?),
        dispatch: serde_json::from_str(row.try_get(6)?).map_err(json)?,
        parked: row.try_get(7)?,
    })
}

/// A piece of JSON that is ours.
pub(crate) fn json(value: &impl serde::Serialize) -> sqlx::Result<String> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

/// Notes commands, in this order.
pub(crate) async fn insert(db: &mut PgConnection, policy: &str, notes: &[Note]) -> sqlx::Result<Vec<Noted>> {
    if notes.is_empty() {
        return Ok(vec![]);
    }
    let (types, ids): (Vec<_>, Vec<_>) = notes.iter().map(|note| note.dispatch.target()).unzip();
    let sql = format!(
        "insert into react.dispatches
                (policy, context, position, ordinal, event_id, cause, target_type, target_id, dispatch)
         select $1, context, position, ordinal, event_id, cause::json, target_type, target_id, dispatch::json
           from unnest($2::text[], $3::bigint[], $4::integer[], $5::uuid[], $6::text[], $7::text[], $8::text[],
                       $9::text[]) with ordinality
                as n(context, position, ordinal, event_id, cause, target_type, target_id, dispatch, place)
          order by place
         returning {COLUMNS}"
    );
    let rows = sqlx::query(&sql)
        .bind(policy)
        .bind(notes.iter().map(|note| note.led_by.context.name()).collect::<Vec<_>>())
        .bind(notes.iter().map(|note| note.led_by.position.get()).collect::<Vec<_>>())
        .bind(notes.iter().map(|note| note.led_by.ordinal).collect::<Vec<_>>())
        .bind(notes.iter().map(|note| note.led_by.event_id).collect::<Vec<_>>())
        .bind(notes.iter().map(|note| json(&note.led_by.cause)).collect::<Result<Vec<_>, _>>()?)
        .bind(types)
        .bind(ids)
        .bind(notes.iter().map(|note| json(&note.dispatch)).collect::<Result<Vec<_>, _>>()?)
        .fetch_all(db)
        .await?;
    rows.iter().map(noted).collect()
}

/// Those after a number, in order, at most so many.
pub(crate) async fn after(pool: &PgPool, policy: &str, number: i64, max: i64) -> sqlx::Result<Vec<Noted>> {
    let sql =
        format!("select {COLUMNS} from react.dispatches where policy = $1 and number > $2 order by number limit $3");
    let rows = sqlx::query(&sql).bind(policy).bind(number).bind(max).fetch_all(pool).await?;
    rows.iter().map(noted).collect()
}

/// These were answered. The disk is not waited for: one that comes back after a crash is sent again and answered as
/// before.
pub(crate) async fn remove(pool: &PgPool, numbers: &[i64]) -> sqlx::Result<()> {
    let sql = "delete from react.dispatches
                where number = any($1) and set_config('synchronous_commit', 'off', true) = 'off'";
    sqlx::query(sql).bind(numbers).execute(pool).await.map(|_| ())
}

/// This one was refused, and waits for a person.
pub(crate) async fn park(db: &mut PgConnection, number: i64, why: &str) -> sqlx::Result<()> {
    let sql = "update react.dispatches set parked = $2 where number = $1";
    sqlx::query(sql).bind(number).bind(why).execute(db).await.map(|_| ())
}
