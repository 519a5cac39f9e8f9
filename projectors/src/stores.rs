//! The stores as projections read them.

use std::collections::BTreeMap;
use std::sync::Arc;

use envelope::{Position, Recorded};
use event_schemas::{Context, PARTITIONS};
use event_store::{Head, RawPayload, Reader, RelayRow, StoreError};
use uuid::Uuid;

use crate::checkpoint::{Checkpoint, Known, Place};

/// Up to so many events are asked for as rows; more come faster by `copy`.
const ROWS_MAX: i64 = 100;
/// What is read at once ends when it takes so much memory.
const RANGE_BYTES_MAX: usize = 32 << 20;
/// What an event takes beside its payload.
const ENVELOPE_BYTES: usize = 400;

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

impl Unfit {
    /// It does not pass by itself.
    pub(crate) fn needs_person(&self) -> bool {
        match self {
            Self::Store(StoreError::Unavailable(_) | StoreError::Database(_)) => false,
            Self::Store(_) | Self::Changed(_) | Self::Missing(_) => true,
        }
    }
}

impl Stores {
    /// Takes a reader for each context.
    #[must_use]
    pub fn new(readers: impl IntoIterator<Item = (Context, Reader)>) -> Self {
        Self(Arc::new(readers.into_iter().collect()))
    }

    fn reader(&self, context: Context) -> Result<&Reader, Unfit> {
        self.0.get(&context).ok_or(Unfit::Missing(context))
    }

    pub(crate) fn contexts(&self) -> impl Iterator<Item = Context> {
        self.0.keys().copied()
    }

    /// Where a store ends now.
    pub(crate) async fn head(&self, context: Context) -> Result<Head, Unfit> {
        Ok(self.reader(context)?.head().await?)
    }

    /// What the relay of a store last noted.
    pub(crate) async fn relay_row(&self, context: Context) -> Result<Option<RelayRow>, Unfit> {
        Ok(self.reader(context)?.relay_row().await?)
    }

    /// The events after one position up to another, or the first of them if they are large: at least one, unless the
    /// store ends there. Events that are known to stand in between, or at the first position, must still do so.
    pub(crate) async fn range(
        &self,
        context: Context,
        after: Position,
        up_to: Position,
        known: &Known,
    ) -> Result<Vec<Recorded<RawPayload>>, Unfit> {
        // One row more shows whether the store is still the one from which the events before it were taken.
        let is_known = known.contains_key(&after);
        let begin = if is_known { Position(after.get() - 1) } else { after };
        let mut events = self.read(context, begin, up_to).await?;
        let other = |(position, id): (&Position, &Uuid)| {
            let index = usize::try_from(position.get() - begin.get() - 1).ok();
            index.and_then(|index| events.get(index)).is_some_and(|at| at.position != *position || at.event_id != *id)
        };
        let ignored = platform::faults::planted("lost-events-ignored");
        if (known.iter().any(other) && !ignored) || (is_known && events.is_empty()) {
            return Err(Unfit::Changed(context));
        }
        if is_known {
            events.remove(0);
        }
        Ok(events)
    }

    /// All events of a range that was read before.
    pub(crate) async fn whole_range(
        &self,
        context: Context,
        after: Position,
        up_to: Position,
    ) -> Result<Vec<Recorded<RawPayload>>, Unfit> {
        let (mut events, mut at, mut known) = (Vec::new(), after, Known::new());
        while at < up_to {
            let more = self.range(context, at, up_to, &known).await?;
            let last = end_of(&more).ok_or(Unfit::Changed(context))?;
            (at, known) = (last.0, Known::from([last]));
            events.extend(more);
        }
        Ok(events)
    }

    async fn read(
        &self,
        context: Context,
        after: Position,
        up_to: Position,
    ) -> Result<Vec<Recorded<RawPayload>>, Unfit> {
        let (reader, count) = (self.reader(context)?, up_to.get() - after.get());
        if count <= ROWS_MAX {
            return Ok(reader.after(after, count).await?);
        }
        let (mut events, mut bytes) = (Vec::with_capacity(usize::try_from(count).unwrap_or_default()), 0);
        let copied = reader.range_copy(after, up_to, |event| {
            bytes += bytes_of(&event);
            events.push(event);
            if bytes < RANGE_BYTES_MAX { Ok(()) } else { Err(Stopped::Full) }
        });
        match copied.await {
            Ok(()) | Err(Stopped::Full) => Ok(events),
            Err(Stopped::Store(error)) => Err(error.into()),
        }
    }

    /// Makes sure that a checkpoint still means what it meant: same history, same event there.
    pub(crate) async fn check(&self, place: Place, held: &Checkpoint) -> Result<(), Unfit> {
        let same = match held.event_id {
            Some(expected) => self.has(place.context, held.position, expected).await?,
            None => true,
        };
        let same = same || platform::faults::planted("lost-events-ignored");
        if same && self.head(place.context).await?.history == held.history {
            Ok(())
        } else {
            Err(Unfit::Changed(place.context))
        }
    }

    /// Whether an event stands at a position.
    pub(crate) async fn has(&self, context: Context, position: Position, event: Uuid) -> Result<bool, Unfit> {
        Ok(self.reader(context)?.event_at(position).await? == Some(event))
    }
}

/// Why a copy ended before its range did.
enum Stopped {
    /// The events are large: the rest is read in another copy.
    Full,
    Store(StoreError),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// About what an event takes in memory.
pub(crate) fn bytes_of(event: &Recorded<RawPayload>) -> usize {
    event.data.get().len() + ENVELOPE_BYTES
}

/// The partition of the topic in which an event stands, as the relay chooses it.
pub(crate) fn partition_of<E>(event: &Recorded<E>) -> i32 {
    platform::kafka::partition_of(&event.aggregate_id, PARTITIONS)
}

/// The end of a piece of the store.
pub(crate) fn end_of(events: &[Recorded<RawPayload>]) -> Option<(Position, Uuid)> {
    events.last().map(|event| (event.position, event.event_id))
}
