//! The row that says how far the relay has come.

use envelope::{History, Position};
use sqlx::PgConnection;

use super::cursor::Kept;
use crate::StoreError;

/// The whole row as the leader holds it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) history: History,
    pub(crate) term: i64,
    pub(crate) checkpoint: Position,
    /// One per partition.
    pub(crate) kept: Vec<Kept>,
}

type Columns = (uuid::Uuid, i64, i64, Vec<i64>, Vec<i64>, Vec<i64>, Vec<i64>);

/// Begins a term: from now on no leader before this one can write the row.
pub(crate) async fn begin_term(db: &mut PgConnection, partitions: usize) -> Result<Row, StoreError> {
    let columns: Columns = sqlx::query_as(
        "update relay set term = term + 1
         returning history, term, checkpoint, last_position, last_offset, log_begins, first_offset",
    )
    .fetch_one(db)
    .await?;
    let (history, term, checkpoint, last_position, last_offset, log_begins, first_offset) = columns;
    let at = |values: &[i64], index: usize| values.get(index).copied();
    let kept = |index| Kept {
        begins: Position(at(&log_begins, index).unwrap_or(0)),
        acknowledged: Position(at(&last_position, index).unwrap_or(0)),
        offset: at(&last_offset, index).filter(|offset| *offset >= 0),
        first_offset: at(&first_offset, index).filter(|offset| *offset >= 0),
    };
    let kept = (0..partitions).map(kept).collect();
    Ok(Row { history: History(history), term, checkpoint: Position(checkpoint), kept })
}

/// Writes the row if the term is still ours; `false` if another one leads.
pub(crate) async fn save(db: &mut PgConnection, row: &Row) -> Result<bool, StoreError> {
    let column = |of: fn(&Kept) -> i64| row.kept.iter().map(of).collect::<Vec<i64>>();
    let saved = sqlx::query(
        "update relay set checkpoint = $1, last_position = $2, last_offset = $3, log_begins = $4,
                          first_offset = $7, saved_at = clock_timestamp()
          where term = $5 and history = $6",
    )
    .bind(row.checkpoint.get())
    .bind(column(|kept| kept.acknowledged.get()))
    .bind(column(|kept| kept.offset.unwrap_or(-1)))
    .bind(column(|kept| kept.begins.get()))
    .bind(row.term)
    .bind(row.history.0)
    .bind(column(|kept| kept.first_offset.unwrap_or(-1)))
    .execute(db)
    .await?;
    Ok(saved.rows_affected() == 1)
}

/// Whether this term is still the newest.
pub(crate) async fn is_mine(db: &mut PgConnection, row: &Row) -> Result<bool, StoreError> {
    let mine = sqlx::query_scalar("select term = $1 and history = $2 from relay");
    Ok(mine.bind(row.term).bind(row.history.0).fetch_one(db).await?)
}

/// The store's own name, which the row must carry too.
pub(crate) async fn history_of_store(db: &mut PgConnection) -> Result<History, StoreError> {
    Ok(History(sqlx::query_scalar("select history from store").fetch_one(db).await?))
}

/// The id of the event at a position, `None` if the store has no such position.
pub(crate) async fn event_at(db: &mut PgConnection, position: Position) -> Result<Option<uuid::Uuid>, StoreError> {
    let id = sqlx::query_scalar("select event_id from events where position = $1");
    Ok(id.bind(position.get()).fetch_optional(db).await?)
}

/// The newest position, and the newest of each partition. Reads backwards from the head and stops when each partition
/// has shown itself, so it costs a page or two unless a partition is empty.
pub(crate) async fn heads(db: &mut PgConnection, partitions: usize) -> Result<(Position, Vec<Position>), StoreError> {
    const PAGE_EVENTS: i64 = 5_000;
    let count = i32::try_from(partitions).unwrap_or(i32::MAX);
    let mut heads = vec![Position::ZERO; partitions];
    let mut newest = Position::ZERO;
    let mut below = i64::MAX;
    while heads.contains(&Position::ZERO) {
        let page: Vec<(i64, String)> = sqlx::query_as(
            "select position, aggregate_id from events where position < $1 order by position desc limit $2",
        )
        .bind(below)
        .bind(PAGE_EVENTS)
        .fetch_all(&mut *db)
        .await?;
        let Some((last, _)) = page.last() else { break };
        below = *last;
        for (position, key) in page {
            newest = newest.max(Position(position));
            let partition = usize::try_from(platform::kafka::partition_of(&key, count)).unwrap_or(0);
            heads[partition] = heads[partition].max(Position(position));
        }
    }
    Ok((newest, heads))
}

/// Begins at nothing again, under the store's present history: for `recover`, after the topic was emptied.
///
/// # Errors
/// When Postgres refuses.
pub async fn start_over(db: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query(
        "update relay set history = (select history from store), term = term + 1, checkpoint = 0,
                          last_position = '{}', last_offset = '{}', first_offset = '{}', log_begins = '{}',
                          saved_at = clock_timestamp()",
    )
    .execute(db)
    .await?;
    Ok(())
}
