//! The table of `postgres-es`, read in the order of its pages.

use std::ops::Range;
use std::str::FromStr as _;

use futures::stream::BoxStream;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};

use super::{AdoptError, Table};
use crate::appender::EVENT_BYTES_MAX;

/// How many pages are read, and sorted by Postgres, at once.
const RANGE_PAGES: usize = 64;
/// A page past the last one that a table can have.
const PAGE_AFTER_ALL: u32 = u32::MAX;

pub(super) struct Source {
    connection: PgConnection,
    /// Its name, quoted by Postgres.
    table: String,
    /// Reads a range of its pages.
    by_ctid: String,
    pages: u32,
}

/// One event as it stands there.
pub(super) struct SourceRow {
    pub(super) aggregate_type: String,
    pub(super) aggregate_id: String,
    pub(super) sequence: i64,
    pub(super) event_type: String,
    pub(super) event_version: String,
    pub(super) payload: String,
    pub(super) metadata: String,
}

impl SourceRow {
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            aggregate_type: row.try_get(0)?,
            aggregate_id: row.try_get(1)?,
            sequence: row.try_get(2)?,
            event_type: row.try_get(3)?,
            event_version: row.try_get(4)?,
            payload: row.try_get(5)?,
            metadata: row.try_get(6)?,
        })
    }
}

impl Source {
    /// Begins a transaction that sees the table as it is now; row places do not move while it lasts.
    pub(super) async fn open(table: &Table) -> Result<Self, AdoptError> {
        let options = PgConnectOptions::from_str(&table.url)?.application_name("adoption");
        let mut connection = PgConnection::connect_with(&options).await?;
        connection.execute("begin transaction isolation level repeatable read, read only").await?;
        let found: Option<(String, i64)> = sqlx::query_as(
            "select c.oid::regclass::text,
                    pg_relation_size(c.oid, 'main') / current_setting('block_size')::bigint
               from pg_class c where c.oid = to_regclass($1) and c.relkind = 'r'",
        )
        .bind(&table.name)
        .fetch_optional(&mut connection)
        .await?;
        let (quoted, pages) = found.ok_or_else(|| AdoptError::NotATable(table.name.clone()))?;
        let by_ctid = format!(
            "select aggregate_type, aggregate_id, sequence, event_type, event_version, payload::text, metadata::text
               from {quoted} where ctid >= $1::text::tid and ctid < $2::text::tid order by ctid"
        );
        Ok(Self { connection, table: quoted, by_ctid, pages: u32::try_from(pages).unwrap_or(PAGE_AFTER_ALL) })
    }

    /// Counts the events, and refuses numbers and sizes that cannot be adopted before anything is.
    pub(super) async fn check(&mut self) -> Result<u64, AdoptError> {
        let table = &self.table;
        let wrong: Option<(String, String, i64, String)> = sqlx::query_as(&format!(
            "select aggregate_type, aggregate_id, count(*),
                    left(string_agg(sequence::text, ', ' order by sequence), 100)
               from {table} group by aggregate_type, aggregate_id
             having min(sequence) <> 1 or max(sequence) <> count(*) or count(distinct sequence) <> count(*)
              limit 1"
        ))
        .fetch_optional(&mut self.connection)
        .await?;
        if let Some((aggregate_type, aggregate_id, count, numbers)) = wrong {
            return Err(AdoptError::Numbers { aggregate_type, aggregate_id, count, numbers });
        }
        // The name around the fields goes and flat metadata may grow a little: the limit is checked again at the end.
        let (total, large): (i64, i64) = sqlx::query_as(&format!(
            "select count(*), count(*) filter (
                 where octet_length(payload::text) + octet_length(metadata::text) > {EVENT_BYTES_MAX})
               from {table}"
        ))
        .fetch_one(&mut self.connection)
        .await?;
        if large > 0 {
            return Err(AdoptError::TooLarge { count: large, max: EVENT_BYTES_MAX });
        }
        Ok(total.unsigned_abs())
    }

    /// The pages of the table, some at a time, because sorting all of it by `ctid` at once would take its whole size.
    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<u32>> + use<> {
        let pages = self.pages;
        (0..pages).step_by(RANGE_PAGES).map(move |from| from..from.saturating_add(RANGE_PAGES as u32).min(pages))
    }

    /// The events of these pages by `ctid`.
    pub(super) fn rows(&mut self, pages: Range<u32>) -> BoxStream<'_, Result<PgRow, sqlx::Error>> {
        sqlx::query(&self.by_ctid)
            .bind(format!("({},0)", pages.start))
            .bind(format!("({},0)", pages.end))
            .fetch(&mut self.connection)
    }
}
