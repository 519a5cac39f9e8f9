//! Commands that are to be sent, in their table.

use domain::policies::Dispatch;
use envelope::{Cause, Position};
use event_schemas::Context;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, PgPool, Postgres, Row as _};
use uuid::Uuid;

/// What led to something, and which of several things that did.
#[derive(Clone, Debug)]
pub(crate) struct LedBy {
    pub(crate) context: Context,
    pub(crate) position: Position,
    pub(crate) ordinal: i32,
    pub(crate) event_id: Uuid,
    pub(crate) cause: Cause,
}

/// A command that is to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    pub(crate) led_by: LedBy,
    pub(crate) target: (String, String),
    pub(crate) dispatch: Dispatch,
}

/// A command as it stands in the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) number: i64,
    pub(crate) noted: Noted,
    /// It was refused and waits for a person.
    pub(crate) parked: bool,
}

impl Noted {
    pub(crate) fn new(led_by: LedBy, dispatch: Dispatch) -> Self {
        let (kind, id) = dispatch.target();
        Self { led_by, target: (kind.to_owned(), id), dispatch }
    }
}

/// The columns by which [`row`] reads.
pub(crate) const COLUMNS: &str = "number, context, position, ordinal, event_id, cause::text, target_type, target_id, \
                                  dispatch::text, parked is not null";

pub(crate) fn row(row: &PgRow) -> sqlx::Result<Row> {
    let json = |error: serde_json::Error| sqlx::Error::Decode(Box::new(error));
    let context: &str = row.try_get(1)?;
    let led_by = LedBy {
        context: context.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        position: Position(row.try_get(2)?),
        ordinal: row.try_get(3)?,
        event_id: row.try_get(4)?,
        cause: serde_json::from_str(row.try_get(5)?).map_err(json)?,
    };
    let dispatch = serde_json::from_str(row.try_get(8)?).map_err(json)?;
    let noted = Noted { led_by, target: (row.try_get(6)?, row.try_get(7)?), dispatch };
    Ok(Row { number: row.try_get(0)?, noted, parked: row.try_get(9)? })
}

/// A piece of JSON that is ours.
pub(crate) fn json(value: &impl serde::Serialize) -> sqlx::Result<String> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

/// Commands as arrays, one for each column.
pub(crate) struct Columns<'a> {
    contexts: Vec<&'static str>,
    positions: Vec<i64>,
    ordinals: Vec<i32>,
    event_ids: Vec<Uuid>,
    causes: Vec<String>,
    target_types: Vec<&'a str>,
    target_ids: Vec<&'a str>,
    dispatches: Vec<String>,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(notes: &[&'a Noted]) -> sqlx::Result<Self> {
        Ok(Self {
            contexts: notes.iter().map(|noted| noted.led_by.context.name()).collect(),
            positions: notes.iter().map(|noted| noted.led_by.position.get()).collect(),
            ordinals: notes.iter().map(|noted| noted.led_by.ordinal).collect(),
            event_ids: notes.iter().map(|noted| noted.led_by.event_id).collect(),
            causes: notes.iter().map(|noted| json(&noted.led_by.cause)).collect::<Result<_, _>>()?,
            target_types: notes.iter().map(|noted| noted.target.0.as_str()).collect(),
            target_ids: notes.iter().map(|noted| noted.target.1.as_str()).collect(),
            dispatches: notes.iter().map(|noted| json(&noted.dispatch)).collect::<Result<_, _>>()?,
        })
    }

    /// Binds them, in the order in which [`insert_sql`] counts them.
    pub(crate) fn bind<'q>(self, query: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments>
    where
        'a: 'q,
    {
        query
            .bind(self.contexts)
            .bind(self.positions)
            .bind(self.ordinals)
            .bind(self.event_ids)
            .bind(self.causes)
            .bind(self.target_types)
            .bind(self.target_ids)
            .bind(self.dispatches)
    }
}

/// Notes commands of policy `$1` in this order; their columns begin with parameter `$first`.
pub(crate) fn insert_sql(first: usize, condition: &str) -> String {
    let [c, p, o, e, cause, kind, id, d] = std::array::from_fn(|nth| first + nth);
    format!(
        "insert into react.dispatches
                (policy, context, position, ordinal, event_id, cause, target_type, target_id, dispatch)
         select $1, context, position, ordinal, event_id, cause::json, target_type, target_id, dispatch::json
           from unnest(${c}::text[], ${p}::bigint[], ${o}::integer[], ${e}::uuid[], ${cause}::text[], ${kind}::text[],
                       ${id}::text[], ${d}::text[]) with ordinality
                as n(context, position, ordinal, event_id, cause, target_type, target_id, dispatch, place)
          where {condition} order by place
         returning number"
    )
}

/// Notes commands, in this order, and gives their numbers.
pub(crate) async fn insert(db: &mut PgConnection, policy: &str, notes: &[&Noted]) -> sqlx::Result<Vec<i64>> {
    if notes.is_empty() {
        return Ok(vec![]);
    }
    let sql = insert_sql(2, "true");
    let rows = Columns::of(notes)?.bind(sqlx::query(&sql).bind(policy)).fetch_all(db).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Those after a number, in order, at most so many.
pub(crate) async fn after(pool: &PgPool, policy: &str, number: i64, max: i64) -> sqlx::Result<Vec<Row>> {
    let sql =
        format!("select {COLUMNS} from react.dispatches where policy = $1 and number > $2 order by number limit $3");
    let rows = sqlx::query(&sql).bind(policy).bind(number).bind(max).fetch_all(pool).await?;
    rows.iter().map(row).collect()
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
