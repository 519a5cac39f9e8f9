//! Adopts the events of a table that `postgres-es` wrote.
//!
//! Such a table has no order over all aggregates and no times. Here an event's position follows from its `ctid`, the
//! place of its row in the table, which is close to the order of writing; an event that lies before its predecessor of
//! the same aggregate waits for it. `recorded_at` is the time of the adoption. Sequences stay what they are, ids follow
//! from context, aggregate and sequence, so that adopting again, after it broke off, goes on where it stopped.

mod flatten;
mod source;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use envelope::{Position, Timestamp};
use futures::TryStreamExt as _;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use self::source::{Source, SourceRow};
use crate::appender::rows::{EventRow, Names};
use crate::appender::sql;
use crate::filling::Filling;
use crate::{Store, StoreError};

/// How many events of the store are compared at once with those of the table.
const COMPARED_EVENTS: i64 = 1_000;

/// Where the table is.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its database.
    pub url: String,
    /// Its name, with its schema if that is not on the search path.
    pub name: String,
}

impl Table {
    /// The table under the name that `postgres-es` gives it.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), name: "events".to_owned() }
    }
}

/// What was adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// How many events the table has.
    pub events: u64,
    /// How many of them were here before.
    pub present: u64,
    /// Where the store ends now.
    pub head: Position,
}

/// Why nothing, or no more, was adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// Something is wrong with the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The table cannot be read.
    #[error("the table cannot be read: {0}")]
    Source(#[from] sqlx::Error),
    /// There is nothing of that name that has a `ctid` order.
    #[error("`{0}` is not an ordinary table of that database; name the table that postgres-es writes")]
    NotATable(String),
    /// An aggregate is not whole.
    #[error(
        "the events of {aggregate_type} `{aggregate_id}` should be numbered 1 to {count} but are numbered {numbers}; \
         nothing was adopted"
    )]
    Numbers {
        /// Its type.
        aggregate_type: String,
        /// Its id.
        aggregate_id: String,
        /// How many events it has.
        count: i64,
        /// How they are numbered, shortened.
        numbers: String,
    },
    /// An event could be stored but not published.
    #[error("{count} events are larger than {max} bytes, which is more than can be published; nothing was adopted")]
    TooLarge {
        /// How many.
        count: i64,
        /// The limit.
        max: usize,
    },
    /// The store holds something else.
    #[error("position {0} of the store is not what this table has there; adopt into an empty store")]
    OtherEvents(Position),
}

/// Appends the events of the table to an empty store, or to one that holds a part of the same table from an adoption
/// that broke off. `progress` hears how many events are done and how many there are.
///
/// The table is read in one transaction that sees it as it was at the beginning.
///
/// # Errors
/// [`AdoptError`] says what stands against it; numbers and sizes are checked before anything is written.
pub async fn postgres_es(
    store: &Store,
    table: &Table,
    mut progress: impl FnMut(u64, u64),
) -> Result<Adopted, AdoptError> {
    let mut source = Source::open(table).await?;
    let total = source.check().await?;
    let mut adoption = Adoption::begin(store).await?;
    for range in source.ranges() {
        let mut rows = source.rows(range);
        while let Some(row) = rows.try_next().await? {
            adoption.take(SourceRow::read(&row)?).await?;
        }
        progress(adoption.done, total);
    }
    let head = adoption.filling.flush().await.map_err(AdoptError::Store)?;
    if adoption.done < adoption.present {
        return Err(AdoptError::OtherEvents(Position(i64::try_from(adoption.done).unwrap_or(i64::MAX)).next()));
    }
    Ok(Adopted { events: total, present: adoption.present, head })
}

/// An aggregate: the number of its next event, and those that lie before it in the table.
struct Aggregate {
    next: i64,
    early: BTreeMap<i64, SourceRow>,
}

struct Adoption {
    context: Arc<str>,
    filling: Filling,
    /// For comparing with what is here and for the time.
    connection: PgConnection,
    aggregates: HashMap<(String, String), Aggregate>,
    names: Names,
    now: Timestamp,
    done: u64,
    present: u64,
    /// Ids of the events here that are to be compared next, the nearest last.
    compared: Vec<Uuid>,
}

impl Adoption {
    async fn begin(store: &Store) -> Result<Self, StoreError> {
        let options = store.config().connect_options("adoption")?;
        let mut connection = PgConnection::connect_with(&options).await?;
        let head = sql::newest(&mut connection).await?;
        Ok(Self {
            context: store.context().clone(),
            filling: Filling::after(store.config(), head).await?,
            now: sql::clock(&mut connection).await?,
            connection,
            aggregates: HashMap::new(),
            names: Names::default(),
            done: 0,
            present: head.position.get().unsigned_abs(),
            compared: Vec::new(),
        })
    }

    /// Takes an event, and those of its aggregate that waited for it.
    async fn take(&mut self, row: SourceRow) -> Result<(), AdoptError> {
        let name = (row.aggregate_type.clone(), row.aggregate_id.clone());
        let aggregate =
            self.aggregates.entry(name.clone()).or_insert_with(|| Aggregate { next: 1, early: BTreeMap::new() });
        aggregate.early.insert(row.sequence, row);
        let mut ready = Vec::new();
        while let Some(row) = aggregate.early.remove(&aggregate.next) {
            aggregate.next += 1;
            ready.push(row);
        }
        for row in ready {
            self.place(row).await?;
        }
        Ok(())
    }

    async fn place(&mut self, row: SourceRow) -> Result<(), AdoptError> {
        let row = self.row(row);
        if self.done < self.present {
            let position = Position(i64::try_from(self.done).unwrap_or(i64::MAX)).next();
            if self.stored_id(position).await? != Some(row.event_id) {
                return Err(AdoptError::OtherEvents(position));
            }
            self.filling.skip(&EventRow { position, ..row })?;
        } else {
            if self.done.is_multiple_of(COMPARED_EVENTS.unsigned_abs()) {
                self.now = sql::clock(&mut self.connection).await?;
            }
            self.filling.push(row).await?;
        }
        self.done += 1;
        Ok(())
    }

    /// The id of the event at a position; asked in order.
    async fn stored_id(&mut self, position: Position) -> Result<Option<Uuid>, AdoptError> {
        if self.compared.is_empty() {
            let page = "select event_id from events where position >= $1 order by position limit $2";
            self.compared = sqlx::query_scalar(page)
                .bind(position.get())
                .bind(COMPARED_EVENTS)
                .fetch_all(&mut self.connection)
                .await
                .map_err(StoreError::from)?;
            self.compared.reverse();
        }
        Ok(self.compared.pop())
    }

    fn row(&mut self, row: SourceRow) -> EventRow {
        let payload = flatten::without_name(&row.event_type, &row.payload);
        EventRow {
            position: Position::ZERO,
            event_id: event_id(&self.context, &row.aggregate_type, &row.aggregate_id, row.sequence),
            aggregate_type: self.names.share(&row.aggregate_type),
            aggregate_id: Arc::from(row.aggregate_id),
            sequence: row.sequence,
            event_type: self.names.share(&row.event_type),
            event_version: self.names.share(&row.event_version),
            payload,
            metadata: flatten::metadata(&row.metadata).into(),
            recorded_at: self.now.max(self.filling.tip().recorded_at),
            chain: [0; 32],
        }
    }
}

/// No text in Postgres holds a zero byte, so no two events have the same name.
fn event_id(context: &str, aggregate_type: &str, aggregate_id: &str, sequence: i64) -> Uuid {
    let name = format!("{context}\0{aggregate_type}\0{aggregate_id}\0{sequence}");
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}
