//! What an operator asks: how every read model is.

use sqlx::PgPool;

use crate::lag::Lag;
use crate::registry::READ_MODELS;

/// How one read model is.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its name.
    pub projection: &'static str,
    /// The generation that is shown; `None` before anything was migrated.
    pub generation: Option<i32>,
    /// Of the code that made its rows.
    pub version: Option<i32>,
    /// How each process that follows it is: `following`, or why not.
    pub followers: Vec<String>,
    /// How far it is behind; `None` if nobody has followed it within the last 10 s.
    pub lag: Option<Lag>,
    /// Events that are parked.
    pub parked: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    projection: String,
    generation: i32,
    version: i32,
    followers: Vec<String>,
    lag_events: Option<i64>,
    lag_seconds: Option<f64>,
    parked: i64,
}

/// How every read model is, as the runners last said.
///
/// # Errors
/// If Postgres is away or nothing was migrated.
pub async fn status(views: &PgPool) -> sqlx::Result<Vec<Status>> {
    let rows: Vec<Row> = sqlx::query_as(
        "select g.projection, g.generation, g.version,
                coalesce(array_agg(h.state order by h.process) filter (where h.state is not null), '{}') as followers,
                sum(h.lag_events)::bigint as lag_events, max(h.lag_seconds) as lag_seconds,
                (select count(*) from read.parked p
                  where p.projection = g.projection and p.generation = g.generation) as parked
           from read.generations g
           left join read.heartbeats h on h.projection = g.projection and h.beat_at > now() - interval '10 seconds'
          where g.state = 'live' group by g.projection, g.generation, g.version",
    )
    .fetch_all(views)
    .await?;
    Ok(READ_MODELS.iter().map(|model| one(model.name, rows.iter().find(|row| row.projection == model.name))).collect())
}

fn one(projection: &'static str, row: Option<&Row>) -> Status {
    Status {
        projection,
        generation: row.map(|row| row.generation),
        version: row.map(|row| row.version),
        followers: row.map(|row| row.followers.clone()).unwrap_or_default(),
        lag: row.and_then(|row| Some(Lag { events: row.lag_events?, seconds: row.lag_seconds? })),
        parked: row.map_or(0, |row| row.parked),
    }
}
