//! Commands that were refused and wait for a person.

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

/// A command that was refused.
#[derive(Clone, Debug)]
pub struct Parked {
    /// Its number.
    pub number: i64,
    /// Whose it is.
    pub policy: String,
    /// The event that led to it.
    pub event_id: Uuid,
    /// Type and id of the aggregate that refused.
    pub target: (String, String),
    /// What was asked, as JSON.
    pub dispatch: String,
    /// Why it was refused.
    pub why: String,
    /// When it was noted.
    pub noted_at: DateTime<Utc>,
    /// How many wait behind it.
    pub behind: i64,
}

/// Nothing is parked under that number.
#[derive(Debug, thiserror::Error)]
pub enum NotParked {
    /// It was settled, or never was.
    #[error("no parked command has the number {0}; see `handsel policies parked`")]
    Unknown(i64),
    /// Postgres refused or is away.
    #[error("the database of the policies: {0}")]
    Database(#[from] sqlx::Error),
}

/// What waits for a person, oldest first.
///
/// # Errors
/// If Postgres is away.
pub async fn list(pool: &PgPool) -> sqlx::Result<Vec<Parked>> {
    type Row = (i64, String, Uuid, String, String, String, String, DateTime<Utc>, i64);
    let rows: Vec<Row> = sqlx::query_as(
        "select p.number, p.policy, p.event_id, p.target_type, p.target_id, p.dispatch::text, p.parked, p.noted_at,
                (select count(*) from react.dispatches b
                  where (b.policy, b.target_type, b.target_id) = (p.policy, p.target_type, p.target_id)
                    and b.number > p.number)
           from react.dispatches p where p.parked is not null order by p.number limit 1000",
    )
    .fetch_all(pool)
    .await?;
    let parked = |(number, policy, event_id, kind, id, dispatch, why, noted_at, behind): Row| {
        let target = (kind, id);
        Parked { number, policy, event_id, target, dispatch, why, noted_at, behind }
    };
    Ok(rows.into_iter().map(parked).collect())
}

/// Lets a parked command be sent again, and what waits behind it after it. The reactor takes it up at its next start
/// of the policy, which this brings about.
///
/// # Errors
/// [`NotParked`].
pub async fn retry(pool: &PgPool, number: i64) -> Result<(), NotParked> {
    settle(pool, number, "update react.dispatches set parked = null where number = $1 and parked is not null").await
}

/// Gives a parked command up; what waits behind it is sent.
///
/// # Errors
/// [`NotParked`].
pub async fn skip(pool: &PgPool, number: i64) -> Result<(), NotParked> {
    settle(pool, number, "delete from react.dispatches where number = $1 and parked is not null").await
}

async fn settle(pool: &PgPool, number: i64, sql: &str) -> Result<(), NotParked> {
    let mut tx = pool.begin().await?;
    let settled = sqlx::query(sql).bind(number).execute(&mut *tx).await?;
    if settled.rows_affected() == 0 {
        return Err(NotParked::Unknown(number));
    }
    sqlx::query("update react.lanes set settled = settled + 1").execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}
