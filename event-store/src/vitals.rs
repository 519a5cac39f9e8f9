//! How a store is, as somebody sees it who looks from outside: who works on it, and what its rows say of themselves.

use envelope::{History, Position, Timestamp};
use platform::postgres::answered;
use sqlx::{FromRow, PgConnection};

use crate::appender::ledger;
use crate::{Store, StoreConfig, StoreError};

/// How a store is at one moment.
#[derive(Clone, Debug)]
pub struct Vitals {
    /// The history that its positions belong to.
    pub history: History,
    /// The newest position.
    pub head: Position,
    /// When the newest event was recorded, by the clock of the process that recorded it.
    pub newest_at: Option<Timestamp>,
    /// The clock of Postgres.
    pub postgres_now: Timestamp,
    /// The session of the relay that leads, if one does.
    pub relay: Option<Holder>,
    /// When the oldest event was recorded that waits to be published.
    pub waits_since: Option<Timestamp>,
    /// Who holds the lock under which events are appended, if anybody does just now.
    pub append_lock: Option<Holder>,
    /// Answers in the ledger should have been deleted and were not.
    pub answers_overdue: bool,
}

/// A session of Postgres that holds a lock.
#[derive(Clone, Debug, FromRow)]
pub struct Holder {
    /// The process of Postgres that serves it.
    pub pid: i32,
    /// What the session calls itself.
    pub application: String,
    /// Since how many seconds its transaction is open, or it does nothing; `None` if this role may not know.
    pub seconds: Option<f64>,
}

#[derive(FromRow)]
struct Row {
    history: uuid::Uuid,
    head: i64,
    newest_at: Option<chrono::DateTime<chrono::Utc>>,
    waits_since: Option<chrono::DateTime<chrono::Utc>>,
    postgres_now: chrono::DateTime<chrono::Utc>,
    answers_overdue: bool,
}

/// An answer is looked for every ten minutes; two hours later it is overdue by any measure.
const ANSWERS: &str = "
    select s.history, coalesce(e.position, 0) as head, e.recorded_at as newest_at, clock_timestamp() as postgres_now,
           (select recorded_at from events where position = (select checkpoint + 1 from relay)) as waits_since,
           exists (select from commands where recorded_at < now() - make_interval(hours => $1 + 2)) as answers_overdue
      from store s left join (select position, recorded_at from events order by position desc limit 1) e on true";

/// A key of 64 bits stands in two columns.
const HOLDER: &str = "
    select l.pid, coalesce(a.application_name, '') as application,
           extract(epoch from clock_timestamp() - coalesce(a.xact_start, a.state_change))::float8 as seconds
      from pg_locks l left join pg_stat_activity a on a.pid = l.pid
     where l.locktype = 'advisory' and l.granted and l.objsubid = 1
       and l.database = (select oid from pg_database where datname = current_database())
       and (l.classid::bigint << 32 | l.objid::bigint) = $1
     limit 1";

impl Store {
    /// How the store is just now. Nothing is changed and no lock taken.
    ///
    /// # Errors
    /// If Postgres is away.
    pub async fn vitals(&self) -> Result<Vitals, StoreError> {
        let mut connection = self.connection().await?;
        let asked = ask(&mut connection, self.config());
        let vitals = answered(self.config().answer_wait_max(), asked).await?;
        connection.give_back();
        Ok(vitals)
    }
}

async fn ask(db: &mut PgConnection, config: &StoreConfig) -> Result<Vitals, StoreError> {
    let row: Row = sqlx::query_as(ANSWERS).bind(ledger::HOURS).fetch_one(&mut *db).await?;
    let relay = sqlx::query_as(HOLDER).bind(config.relay_lock_key()).fetch_optional(&mut *db).await?;
    let append_lock = sqlx::query_as(HOLDER).bind(config.lock_key()).fetch_optional(db).await?;
    Ok(Vitals {
        history: History(row.history),
        head: Position(row.head),
        newest_at: row.newest_at.map(Timestamp::new),
        postgres_now: Timestamp::new(row.postgres_now),
        relay,
        waits_since: row.waits_since.map(Timestamp::new),
        append_lock,
        answers_overdue: row.answers_overdue,
    })
}
