//! The stores as projections read them.

use std::collections::BTreeMap;
use std::sync::Arc;

use envelope::{Position, Recorded};
use event_schemas::{Context, PARTITIONS};
use event_store::{RawPayload, Reader, StoreError};
use uuid::Uuid;

use crate::checkpoint::{Checkpoint, Place};

/// Up to so many events are asked for as rows; more come faster by `copy`.
const ROWS_MAX: i64 = 500;

/// A reader for each context.
#[derive(Clone)]
pub struct Stores(Arc<BTreeMap<Context, Reader>>);

/// Why a store cannot feed a projection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// The store is away or damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The event at the checkpoint is not in the store any more, or the store began another history.
    #[error(
        "the store of `{0}` is not the one that this view was built from: it lost events or began another history; \
         run `handsel recover {0}`"
    )]
    Changed(Context),
    /// No reader was given for a context.
    #[error("this process has no store of `{0}`")]
    Missing(Context),
}

impl Stores {
    /// Takes a reader for each context.
    #[must_use]
    pub fn new(readers: impl IntoIterator<Item = (Context, Reader)>) -> Self {
        Self(Arc::new(readers.into_iter().collect()))
    }

    pub(crate) fn of(&self, context: Context) -> Result<&Reader, Unfit> {
        self.0.get(&context).ok_or(Unfit::Missing(context))
    }

    pub(crate) fn contexts(&self) -> impl Iterator<Item = Context> {
        self.0.keys().copied()
    }

    /// The events after one position up to another.
    pub(crate) async fn range(
        &self,
        context: Context,
        after: Position,
        up_to: Position,
    ) -> Result<Vec<Recorded<RawPayload>>, Unfit> {
        let (reader, count) = (self.of(context)?, up_to.get() - after.get());
        if count <= ROWS_MAX {
            return Ok(reader.after(after, count).await?);
        }
        let mut events = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
        reader
            .range_copy::<StoreError>(after, up_to, |event| {
                events.push(event);
                Ok(())
            })
            .await?;
        Ok(events)
    }

    /// Makes sure that a checkpoint still means what it meant: same history, same event there.
    pub(crate) async fn check(&self, place: Place, held: &Checkpoint) -> Result<(), Unfit> {
        let reader = self.of(place.context)?;
        let same = match held.event_id {
            Some(expected) => reader.event_at(held.position).await? == Some(expected),
            None => true,
        };
        if same && reader.head().await?.history == held.history { Ok(()) } else { Err(Unfit::Changed(place.context)) }
    }
}

/// The partition of the topic in which an event stands, as the relay chooses it.
pub(crate) fn partition_of<E>(event: &Recorded<E>) -> i32 {
    platform::kafka::partition_of(&event.aggregate_id, PARTITIONS)
}

/// The end of a piece of the store.
pub(crate) fn end_of(events: &[Recorded<RawPayload>]) -> Option<(Position, Uuid)> {
    events.last().map(|event| (event.position, event.event_id))
}
