//! What a read model is: its tables and the function that applies events to them.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use envelope::{Recorded, Sealed};
use event_schemas::{Context, Event};
use event_store::RawPayload;
use event_store::keys::KeyRing;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::table::Table;

/// A read model. Events come in the order of each aggregate, each exactly once in effect; those of different aggregates
/// may come in any order, and the rows must not depend on it. Neither clock nor randomness may have a part in them.
pub trait Projection: Send + Sync + 'static {
    /// What it reads: [`Event`], or the raw payload.
    type Data: Data;
    /// What it shows; also the name of its view in the schema `read`.
    const NAME: &'static str;
    /// Of this code: rows made by another one are built again.
    const VERSION: i32;
    /// Where its events come from.
    const CONTEXTS: &'static [Context];
    /// In which order they come.
    const ORDER: Order = Order::Aggregate;
    /// The first is the one that is shown; the others are its own memory.
    const TABLES: &'static [Table];

    /// Changes the rows, in the transaction that moves the checkpoint.
    fn apply(view: &mut View<'_>, events: &[Recorded<Self::Data>]) -> impl Future<Output = Result<(), Failed>> + Send;
}

/// The order in which a projection gets its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each aggregate's in theirs: fed from the topics, partition by partition.
    Aggregate,
    /// Each context's in the order of its store: fed from the stores by position.
    Store,
}

/// What a projection can read an event as.
pub trait Data: Sized + Send + Sync + 'static {
    /// Decodes what was stored.
    ///
    /// # Errors
    /// [`Failed::Event`], for it never becomes readable by trying again.
    fn decode(event: Recorded<RawPayload>) -> Result<Recorded<Self>, Failed>;
}

impl Data for Event {
    fn decode(event: Recorded<RawPayload>) -> Result<Recorded<Self>, Failed> {
        event.try_map(|head, payload| {
            let context = head.context.parse().map_err(Failed::event)?;
            Self::decode(context, &head.event_type, &head.event_version, payload.get()).map_err(Failed::event)
        })
    }
}

impl Data for RawPayload {
    fn decode(event: Recorded<RawPayload>) -> Result<Recorded<Self>, Failed> {
        Ok(event)
    }
}

/// Why events could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// For a reason of the event itself, which trying again does not change.
    #[error("{0}")]
    Event(String),
    /// For a reason of the database, which passes.
    #[error("the database refused: {0}")]
    Database(#[source] sqlx::Error),
    /// For a reason of something else outside, which passes too.
    #[error("{0:#}")]
    Outside(#[source] anyhow::Error),
}

impl Failed {
    /// A reason of the event itself, with what led to it.
    pub fn event(reason: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Event(format!("{:#}", anyhow::Error::new(reason)))
    }

    /// A mistake in the code of the projection that this event brings to light.
    fn panicked(panic: &(dyn Any + Send)) -> Self {
        let said = panic.downcast_ref::<&str>().copied();
        let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self::Event(format!("the projection panicked: {}", said.unwrap_or("without a word")))
    }
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        // 21: several rows where one belongs; 22: data that does not fit the column; 23: a constraint; 54: too large
        // for a row or an index. Everything else is not about the event.
        let code = error.as_database_error().and_then(|error| error.code());
        match code {
            Some(code) if ["21", "22", "23", "54"].iter().any(|class| code.starts_with(class)) => Self::event(error),
            _ => Self::Database(error),
        }
    }
}

/// One generation of a read model inside a transaction.
pub struct View<'t> {
    /// The transaction.
    pub db: &'t mut PgConnection,
    pub(crate) name: &'static str,
    pub(crate) generation: i32,
    pub(crate) keys: Option<&'t KeyRing>,
}

impl View<'_> {
    /// The table that is shown, as SQL names it.
    #[must_use]
    pub fn table(&self) -> String {
        self.own("")
    }

    /// A table of its own memory, by the suffix that it has in [`Projection::TABLES`].
    #[must_use]
    pub fn own(&self, suffix: &str) -> String {
        crate::table::name(self.name, self.generation, suffix)
    }

    /// Opens personal fields, all with one look-up of their keys. `None` stands for what was erased.
    ///
    /// # Errors
    /// [`Failed::Outside`] if the keys cannot be read now, [`Failed::Event`] if a value is not what its key sealed.
    pub async fn open<T: DeserializeOwned>(
        &self,
        field: &str,
        values: &[&Sealed<T>],
    ) -> Result<Vec<Option<T>>, Failed> {
        let ids: Vec<Uuid> = values.iter().filter_map(|value| value.key()).collect();
        let keys = match self.keys {
            Some(ring) if !ids.is_empty() => ring.open_many(&ids).await.map_err(|e| Failed::Outside(e.into()))?,
            _ => HashMap::new(),
        };
        let open = |value: &&Sealed<T>| match value.key().and_then(|id| keys.get(&id)) {
            Some(key) => key.open(field, value).map(Some).map_err(Failed::event),
            None => Ok(None),
        };
        values.iter().map(open).collect()
    }
}

/// Reads what is stored as the events of a projection.
type Decode = fn(Vec<Recorded<RawPayload>>) -> Result<Box<dyn Batch>, Failed>;

/// A projection as the runner sees it, whatever its types.
#[derive(Clone, Copy)]
pub struct ReadModel {
    /// See [`Projection::NAME`].
    pub name: &'static str,
    version: i32,
    /// See [`Projection::CONTEXTS`].
    pub contexts: &'static [Context],
    /// See [`Projection::ORDER`].
    pub order: Order,
    /// See [`Projection::TABLES`].
    pub tables: &'static [Table],
    decode: Decode,
}

impl ReadModel {
    /// Registers a projection.
    #[must_use]
    pub const fn of<P: Projection>() -> Self {
        Self {
            name: P::NAME,
            version: P::VERSION,
            contexts: P::CONTEXTS,
            order: P::ORDER,
            tables: P::TABLES,
            decode: decode::<P>,
        }
    }

    /// See [`Projection::VERSION`].
    #[must_use]
    pub fn version(&self) -> i32 {
        self.version + i32::from(platform::faults::planted("next-version"))
    }

    pub(crate) fn decode(&self, events: Vec<Recorded<RawPayload>>) -> Result<Box<dyn Batch>, Failed> {
        // The same event would meet the same mistake after every start.
        catch_unwind(|| (self.decode)(events)).unwrap_or_else(|panic| Err(Failed::panicked(&*panic)))
    }
}

impl std::fmt::Debug for ReadModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Decoded events of a projection.
pub(crate) trait Batch: Send + Sync {
    fn len(&self) -> usize;
    fn apply<'a>(&'a self, view: &'a mut View<'_>, which: Range<usize>) -> BoxFuture<'a, Result<(), Failed>>;
}

struct Decoded<P: Projection>(Vec<Recorded<P::Data>>);

fn decode<P: Projection>(events: Vec<Recorded<RawPayload>>) -> Result<Box<dyn Batch>, Failed> {
    let events = events.into_iter().map(P::Data::decode).collect::<Result<Vec<_>, _>>()?;
    Ok(Box::new(Decoded::<P>(events)))
}

impl<P: Projection> Batch for Decoded<P> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn apply<'a>(&'a self, view: &'a mut View<'_>, which: Range<usize>) -> BoxFuture<'a, Result<(), Failed>> {
        let applied = AssertUnwindSafe(P::apply(view, &self.0[which])).catch_unwind();
        Box::pin(applied.map(|applied| applied.unwrap_or_else(|panic| Err(Failed::panicked(&*panic)))))
    }
}

#[cfg(test)]
mod tests;
