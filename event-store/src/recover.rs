//! Begins a new history after a store lost its newest events: a replica was promoted, a backup restored.
//!
//! The events that are left stay what they are, with their positions and their chain: the genesis does not change. What
//! changes is the history, so that no record, token or checkpoint from before can be taken for one of now; and what
//! spoke of lost events goes: snapshots, answers in the ledger, the relay's row. The trace that it leaves
//! among the signed heads ([`Recovered::statement`]), emptying the topic
//! ([`crate::relay::empty_topic`]) and rebuilding the views are the caller's
//! part.

use envelope::{History, Position, Timestamp};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use uuid::Uuid;

use crate::heads::{Now, Statement};
use crate::{StoreConfig, StoreError, relay, store};

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The history that ended.
    pub before: History,
    /// The history that began.
    pub history: History,
    /// Where the store ends.
    pub head: Position,
    /// Snapshots of states that rested on lost events.
    pub snapshots_dropped: u64,
    /// Answers that spoke of lost events; the same keys are decided again.
    pub answers_dropped: u64,
    /// The store as it was kept.
    pub kept: Now,
}

impl Recovered {
    /// What to sign, so that the heads of what was lost are known to be given up.
    #[must_use]
    pub fn statement(&self, context: &str, at: Timestamp) -> Statement {
        self.kept.statement(context, Some(self.before), at)
    }
}

/// A snapshot is kept if the event it stands at is.
const DROP_SNAPSHOTS: &str = "
    delete from snapshots s
     where not exists (select from events e
                        where e.aggregate_type = s.aggregate_type and e.aggregate_id = s.aggregate_id
                          and e.sequence = s.sequence and e.event_id = s.event_id)";

/// An answer is kept if the store has the position it rests on and, there, the last of the events it names.
const DROP_ANSWERS: &str = "
    delete from commands c
     where position > $1
        or json_array_length(answer -> 'events') > 0
           and not exists (select from events e
                            where e.position = c.position and e.event_id = (c.answer -> 'events' ->> -1)::uuid)";

/// Those that are kept mean the same in the new history, because nothing up to their position changed.
const CARRY_ANSWERS: &str =
    "update commands set answer = jsonb_set(answer::jsonb, '{history}', to_jsonb($1::text))::json";

/// Does all of it in one transaction, so it may be repeated after any interruption; each time begins another history.
///
/// # Errors
/// [`StoreError::InUse`] while an appender or a relay of any process is connected to the store: stop the programs that
/// take commands for this context or relay its events. An appender that stopped by itself, because it saw that events
/// are lost, has let go of the store and does not count.
pub async fn store(config: &StoreConfig) -> Result<Recovered, StoreError> {
    let mut connection = config.connect_options("recovery")?.connect().await?;
    let before = store::check_version(&mut connection, config).await?;
    let mut transaction = connection.begin().await?;
    at_rest(&mut transaction, config).await?;
    let head = Now::look(&mut transaction, Position::ZERO).await?.position();
    let history = History(Uuid::new_v4());
    let snapshots_dropped = sqlx::query(DROP_SNAPSHOTS).execute(&mut *transaction).await?.rows_affected();
    let answers_dropped = sqlx::query(DROP_ANSWERS).bind(head.get()).execute(&mut *transaction).await?.rows_affected();
    sqlx::query("update store set history = $1").bind(history.0).execute(&mut *transaction).await?;
    sqlx::query(CARRY_ANSWERS).bind(history.0.to_string()).execute(&mut *transaction).await?;
    relay::start_over(&mut transaction).await?;
    let kept = Now::look(&mut transaction, Position::ZERO).await?;
    // Again, because somebody may have connected since; whoever connects after the commit sees the new history.
    nobody_connected(&mut transaction, config).await?;
    transaction.commit().await?;
    tracing::warn!(context = config.context, %before, %history, %head, "A new history began");
    Ok(Recovered { before, history, head, snapshots_dropped, answers_dropped, kept })
}

/// Takes the locks of appenders and relays until the transaction ends, if nobody holds them or may come to.
pub(crate) async fn at_rest(transaction: &mut PgConnection, config: &StoreConfig) -> Result<(), StoreError> {
    nobody_connected(transaction, config).await?;
    for (key, holder) in [(config.lock_key(), "an appender"), (config.relay_lock_key(), "a relay")] {
        let free: bool =
            sqlx::query_scalar("select pg_try_advisory_xact_lock($1)").bind(key).fetch_one(&mut *transaction).await?;
        if !free {
            return Err(StoreError::InUse { context: config.context.clone(), by: holder.to_owned() });
        }
    }
    Ok(())
}

/// An appender holds its lock only while it writes, so whether there is one is asked by the name of its connection.
async fn nobody_connected(connection: &mut PgConnection, config: &StoreConfig) -> Result<(), StoreError> {
    let by: Option<String> = sqlx::query_scalar(
        "select string_agg(format('`%s` (Postgres process %s)', application_name, pid), ', ' order by pid)
           from pg_stat_activity
          where datname = current_database() and application_name in ($1, $2)",
    )
    .bind(format!("{} appender", config.context))
    .bind(format!("{} relay", config.context))
    .fetch_one(connection)
    .await?;
    by.map_or(Ok(()), |by| Err(StoreError::InUse { context: config.context.clone(), by }))
}
