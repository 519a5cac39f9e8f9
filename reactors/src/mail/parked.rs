//! Mail that was refused and waits for a person.

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

/// A mail that was refused.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ParkedMail {
    /// Its number.
    pub number: i64,
    /// The event that it tells of.
    pub event_id: Uuid,
    /// What it would have said, as JSON without personal data.
    pub letter: String,
    /// How often it was handed over.
    pub tries: i32,
    /// Why it was not taken.
    pub why: String,
    /// When it was noted.
    pub noted_at: DateTime<Utc>,
}

/// No mail waits under that number.
#[derive(Debug, thiserror::Error)]
pub enum MailNotParked {
    /// It was settled, or never was.
    #[error("no parked mail has the number {0}; see `handsel mails parked`")]
    Unknown(i64),
    /// Postgres refused or is away.
    #[error("the database of the policies: {0}")]
    Database(#[from] sqlx::Error),
}

const RETRIED: &str = "update react.mails set state = 'due', tries = 0, due = clock_timestamp(),
                                              changed_at = clock_timestamp() where state = 'parked'";

/// What waits for a person, oldest first, up to a thousand.
///
/// # Errors
/// If Postgres is away.
pub async fn list(pool: &PgPool) -> sqlx::Result<Vec<ParkedMail>> {
    sqlx::query_as(
        "select number, event_id, letter::text as letter, tries, coalesce(why, '') as why, noted_at
           from react.mails where state = 'parked' order by number limit 1000",
    )
    .fetch_all(pool)
    .await
}

/// Lets a parked mail be handed over again, as if it had never been.
///
/// # Errors
/// [`MailNotParked`].
pub async fn retry(pool: &PgPool, number: i64) -> Result<(), MailNotParked> {
    let sql = format!("{RETRIED} and number = $1");
    settled(number, sqlx::query(&sql).bind(number).execute(pool).await?.rows_affected())
}

/// Lets all of them be handed over again. Gives how many there were.
///
/// # Errors
/// If Postgres is away.
pub async fn retry_all(pool: &PgPool) -> sqlx::Result<u64> {
    Ok(sqlx::query(RETRIED).execute(pool).await?.rows_affected())
}

/// Gives a parked mail up: nobody is told of its event.
///
/// # Errors
/// [`MailNotParked`].
pub async fn skip(pool: &PgPool, number: i64) -> Result<(), MailNotParked> {
    let sql = "update react.mails set state = 'skipped', changed_at = clock_timestamp()
                where state = 'parked' and number = $1";
    settled(number, sqlx::query(sql).bind(number).execute(pool).await?.rows_affected())
}

fn settled(number: i64, rows: u64) -> Result<(), MailNotParked> {
    if rows == 0 { Err(MailNotParked::Unknown(number)) } else { Ok(()) }
}
