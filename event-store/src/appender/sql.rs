//! The statements of the appender.

use std::sync::Arc;

use envelope::{History, Position, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Executor as _, Row as _};
use uuid::Uuid;

use super::batch::{BatchRows, Found, SnapshotRow, Stored, Tip};
use super::rows::{EventRow, Names};
use crate::chain::{self, Chain};
use crate::{Done, StoreError};

/// The columns of `events`, in the order in which [`event_row`] reads them.
pub(crate) const COLUMNS: &str = "position, aggregate_type, aggregate_id, sequence, event_id, event_type, \
                                  event_version, payload::text as payload, metadata::text as metadata, \
                                  recorded_at, chain";

const APPEND: &str = "select appended, stored::text \
                      from append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, \
                      $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)";

/// Writes a batch on top of `base`, in one round trip. `None`: the store has moved on or an aggregate that was
/// presumed to be new is not, and nothing was written.
pub(crate) async fn append(
    connection: &mut PgConnection,
    lock_key: i64,
    base: &Tip,
    rows: &BatchRows,
) -> Result<Option<Found>, StoreError> {
    let events = &rows.events;
    let ledger = &rows.ledger;
    let strings = |field: fn(&EventRow) -> &str| events.iter().map(field).collect::<Vec<_>>();
    let row = sqlx::query(APPEND)
        .bind(lock_key)
        .bind(base.position.get())
        .bind(base.chain.as_slice())
        .bind(rows.presumed.iter().map(|id| id.aggregate_type).collect::<Vec<_>>())
        .bind(rows.presumed.iter().map(|id| &*id.aggregate_id).collect::<Vec<_>>())
        .bind(strings(|event| &event.aggregate_type))
        .bind(strings(|event| &event.aggregate_id))
        .bind(events.iter().map(|event| event.sequence).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.event_id).collect::<Vec<_>>())
        .bind(strings(|event| &event.event_type))
        .bind(strings(|event| &event.event_version))
        .bind(strings(|event| &event.payload))
        .bind(strings(|event| &event.metadata))
        .bind(events.iter().map(|event| event.recorded_at.utc()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.chain.as_slice()).collect::<Vec<_>>())
        .bind(ledger.iter().map(|row| row.caller.as_str()).collect::<Vec<_>>())
        .bind(ledger.iter().map(|row| row.key.as_str()).collect::<Vec<_>>())
        .bind(ledger.iter().map(|row| row.fingerprint.as_slice()).collect::<Vec<_>>())
        .bind(ledger.iter().map(|row| row.answer.as_str()).collect::<Vec<_>>())
        .bind(ledger.iter().map(|row| row.position.get()).collect::<Vec<_>>())
        .bind(ledger.iter().map(|row| row.first).collect::<Vec<_>>())
        .bind(rows.sought.iter().map(|(caller, _)| caller.as_str()).collect::<Vec<_>>())
        .bind(rows.sought.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>())
        .fetch_one(&mut *connection)
        .await
        .inspect_err(alarm)?;
    let appended: bool = row.try_get(0)?;
    let found = parse_found(row.try_get(1)?)?;
    Ok(appended.then_some(found))
}

/// Two processes cannot write the same sequence of an aggregate, because the chain is compared under the lock before.
/// If the key of the table says that one would have, that comparison is broken.
fn alarm(error: &sqlx::Error) {
    if error.as_database_error().and_then(|refused| refused.constraint()) == Some("one_event_per_sequence") {
        metrics::counter!("event_store_sequence_conflicts_total").increment(1);
        tracing::error!(%error, "A batch would have written a sequence of an aggregate twice; nothing was written");
    }
}

/// The stored answers of these keys.
pub(crate) async fn answers(connection: &mut PgConnection, keys: &[(String, String)]) -> Result<Found, StoreError> {
    if keys.is_empty() {
        return Ok(Found::new());
    }
    let (callers, names): (Vec<_>, Vec<_>) = keys.iter().map(|(caller, key)| (caller.as_str(), key.as_str())).unzip();
    let row =
        sqlx::query("select stored_answers($1, $2)::text").bind(callers).bind(names).fetch_one(connection).await?;
    parse_found(row.try_get(0)?)
}

/// A row of the ledger as the database writes it.
#[derive(Deserialize)]
struct FoundRow<'a> {
    caller: String,
    key: String,
    position: i64,
    fingerprint: String,
    #[serde(borrow)]
    answer: &'a RawValue,
}

/// No JSON: nothing stands under the keys that were sought.
fn parse_found(json: Option<&str>) -> Result<Found, StoreError> {
    let Some(json) = json else { return Ok(Found::new()) };
    let rows: Vec<FoundRow<'_>> = serde_json::from_str(json).map_err(|error| StoreError::Damaged {
        position: Position::ZERO,
        reason: format!("the ledger cannot be read: {error}"),
    })?;
    Ok(rows.into_iter().map(|row| ((row.caller.clone(), row.key.clone()), row.stored())).collect())
}

impl FoundRow<'_> {
    /// What cannot be read is not absent: the key was answered, so its command must not be decided again.
    fn stored(&self) -> Result<Stored, StoreError> {
        let fingerprint =
            chain::from_hexadecimal(&self.fingerprint).ok_or_else(|| self.damaged("its fingerprint is no hash"))?;
        let done = serde_json::from_str::<Done>(self.answer.get()).map_err(|error| self.damaged(error))?;
        Ok(Stored { fingerprint, done })
    }

    fn damaged(&self, why: impl std::fmt::Display) -> StoreError {
        let Self { caller, key, .. } = self;
        let reason = format!(
            "the answer kept for key `{key}` of caller `{caller}` cannot be read ({why}). The command was answered \
             and is not decided again; mend the row in `commands`, or delete it if the command may act once more"
        );
        StoreError::Damaged { position: Position(self.position), reason }
    }
}

/// The newest event of the store.
pub(crate) async fn newest(connection: &mut PgConnection) -> Result<Tip, StoreError> {
    let row = sqlx::query(
        "select n.position, n.chain, e.event_id, e.recorded_at
           from newest() n left join events e on e.position = n.position",
    )
    .fetch_one(connection)
    .await?;
    let position = Position(row.try_get(0)?);
    let (event_id, recorded_at) = match (row.try_get(2)?, row.try_get::<Option<chrono::DateTime<chrono::Utc>>, _>(3)?) {
        (Some(event_id), Some(recorded_at)) => (event_id, Timestamp::new(recorded_at)),
        // Before the first event there is only the genesis.
        _ => (Uuid::nil(), Timestamp::default()),
    };
    Ok(Tip { position, chain: chain_of(row.try_get(1)?, position)?, event_id, recorded_at })
}

/// The chain at a position, if there is an event.
pub(crate) async fn chain_at(connection: &mut PgConnection, position: Position) -> Result<Option<Chain>, StoreError> {
    let chain: Option<Vec<u8>> = sqlx::query_scalar("select chain from events where position = $1")
        .bind(position.get())
        .fetch_optional(connection)
        .await?;
    chain.map(|bytes| chain_of(&bytes, position)).transpose()
}

/// The store's genesis and its present history.
pub(crate) async fn origin(connection: &mut PgConnection) -> Result<(Uuid, History), StoreError> {
    let (genesis, history) = sqlx::query_as("select genesis, history from store").fetch_one(connection).await?;
    Ok((genesis, History(history)))
}

/// Whether the history is the same and the chain that must stand at a known position does: for position 0 that of the
/// genesis.
pub(crate) async fn still_holds(
    connection: &mut PgConnection,
    history: History,
    known: &Tip,
) -> Result<bool, StoreError> {
    let (genesis, current) = origin(&mut *connection).await?;
    if current != history {
        return Ok(false);
    }
    if known.position == Position::ZERO {
        return Ok(known.chain == chain::genesis(genesis));
    }
    Ok(chain_at(connection, known.position).await? == Some(known.chain))
}

/// Events after a position, in order.
pub(crate) async fn events_after(
    connection: &mut PgConnection,
    position: Position,
    events_max: i64,
) -> Result<Vec<EventRow>, StoreError> {
    let mut names = Names::default();
    // Positions have no gaps, so a bound is as good as a limit; and the planner of a young table, which would otherwise
    // sort all of it, sees that it is little.
    let sql = format!("select {COLUMNS} from events where position > $1 and position <= $2 order by position");
    let last = position.get().saturating_add(events_max);
    let rows = sqlx::query(&sql).bind(position.get()).bind(last).fetch_all(connection).await?;
    rows.iter().map(|row| event_row(row, &mut names)).collect()
}

/// The events at these positions, in order.
pub(crate) async fn events_at(connection: &mut PgConnection, positions: &[i64]) -> Result<Vec<EventRow>, StoreError> {
    let mut names = Names::default();
    let rows = sqlx::query(&format!("select {COLUMNS} from events where position = any($1) order by position"))
        .bind(positions)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| event_row(row, &mut names)).collect()
}

/// Every event of one aggregate.
pub(crate) async fn events_of(
    connection: &mut PgConnection,
    aggregate_type: &str,
    aggregate_id: &str,
) -> Result<Vec<EventRow>, StoreError> {
    let mut names = Names::default();
    let rows = sqlx::query(&format!(
        "select {COLUMNS} from events where aggregate_type = $1 and aggregate_id = $2 order by sequence"
    ))
    .bind(aggregate_type)
    .bind(aggregate_id)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| event_row(row, &mut names)).collect()
}

/// Keeps snapshots of committed states. An older one never replaces a newer one.
pub(crate) async fn save_snapshots(connection: &mut PgConnection, rows: &[SnapshotRow]) -> Result<(), StoreError> {
    for row in rows {
        sqlx::query(
            "insert into snapshots (aggregate_type, aggregate_id, sequence, event_id, shape, state)
             values ($1, $2, $3, $4, $5, $6::json)
                 on conflict (aggregate_type, aggregate_id) do update
                set sequence = excluded.sequence, event_id = excluded.event_id, shape = excluded.shape,
                    state = excluded.state
              where snapshots.sequence < excluded.sequence or snapshots.shape <> excluded.shape",
        )
        .bind(row.aggregate_type)
        .bind(&row.aggregate_id)
        .bind(row.sequence)
        .bind(row.event_id)
        .bind(&row.shape)
        .bind(&row.state)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Begins the slow path: nobody else appends until this transaction ends, and it ends soon.
pub(crate) async fn lock(connection: &mut PgConnection, lock_key: i64) -> Result<(), StoreError> {
    connection.execute("begin").await?;
    connection.execute("set local transaction_timeout = '2s'").await?;
    sqlx::query("select pg_advisory_xact_lock($1)").bind(lock_key).execute(connection).await?;
    Ok(())
}

/// Deletes answers that were kept for long enough, but not more than so many; answers how many.
pub(crate) async fn sweep(connection: &mut PgConnection, hours: i32, rows_max: i64) -> Result<u64, StoreError> {
    let deleted = sqlx::query(
        "delete from commands where ctid = any(array(
             select ctid from commands where recorded_at < now() - make_interval(hours => $1) limit $2))",
    );
    Ok(deleted.bind(hours).bind(rows_max).execute(connection).await?.rows_affected())
}

/// A role or database may be set not to wait for the disk; facts are answered only when they are there.
pub(crate) async fn make_durable(connection: &mut PgConnection) -> Result<(), StoreError> {
    if platform::faults::planted("asynchronous-commit") {
        connection.execute("set synchronous_commit = off").await?;
        return Ok(());
    }
    let make = "select set_config('synchronous_commit', 'on', false)
                 where current_setting('synchronous_commit') = 'off'";
    connection.execute(make).await?;
    Ok(())
}

/// Postgres' clock, which is the one that stamps events.
pub(crate) async fn clock(connection: &mut PgConnection) -> Result<Timestamp, StoreError> {
    let now: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("select clock_timestamp()").fetch_one(connection).await?;
    Ok(Timestamp::new(now))
}

/// Reads the columns of [`COLUMNS`].
pub(crate) fn event_row(row: &PgRow, names: &mut Names) -> Result<EventRow, StoreError> {
    let position = Position(row.try_get(0)?);
    Ok(EventRow {
        position,
        aggregate_type: names.share(row.try_get(1)?),
        aggregate_id: Arc::from(row.try_get::<&str, _>(2)?),
        sequence: row.try_get(3)?,
        event_id: row.try_get(4)?,
        event_type: names.share(row.try_get(5)?),
        event_version: names.share(row.try_get(6)?),
        payload: row.try_get(7)?,
        metadata: Arc::from(row.try_get::<&str, _>(8)?),
        recorded_at: Timestamp::new(row.try_get(9)?),
        chain: chain_of(row.try_get(10)?, position)?,
    })
}

fn chain_of(bytes: &[u8], position: Position) -> Result<Chain, StoreError> {
    bytes.try_into().map_err(|_| StoreError::Damaged {
        position,
        reason: format!("a chain of {} bytes instead of 32", bytes.len()),
    })
}
