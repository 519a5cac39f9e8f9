//! The stores as projections read them.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use envelope::{Position, Recorded};
use event_schemas::{Context, PARTITIONS};
use event_store::{Head, RawPayload, Reader, RelayRow, StoreError};
use tokio::time::timeout;
use uuid::Uuid;

use crate::checkpoint::{Checkpoint, Known, Place};

/// Up to so many events are asked for as rows; more come faster by `copy`.
const ROWS_MAX: i64 = 500;
/// What is read at once ends when it takes so much memory.
const RANGE_BYTES_MAX: usize = 16 << 20;
/// One statement asks for at most so many events: they may be larger than those before.
const SLICE_EVENTS_MAX: i64 = 2_000;
/// How large events are taken to be until some were read.
const EVENT_BYTES: usize = 32 << 10;
/// What an event takes beside its payload.
const ENVELOPE_BYTES: usize = 400;
/// How long a store may leave a question unanswered: a network that swallows what is sent breaks no connection.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);

/// A reader for each context.
#[derive(Clone)]
pub struct Stores(Arc<BTreeMap<Context, Source>>);

struct Source {
    reader: Reader,
    /// The size of an event, as it was on average when some were read.
    event_bytes: AtomicUsize,
}

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
        let source = |reader| Source { reader, event_bytes: AtomicUsize::new(EVENT_BYTES) };
        Self(Arc::new(readers.into_iter().map(|(context, reader)| (context, source(reader))).collect()))
    }

    fn of(&self, context: Context) -> Result<&Source, Unfit> {
        self.0.get(&context).ok_or(Unfit::Missing(context))
    }

    fn reader(&self, context: Context) -> Result<&Reader, Unfit> {
        Ok(&self.of(context)?.reader)
    }

    pub(crate) fn contexts(&self) -> impl Iterator<Item = Context> {
        self.0.keys().copied()
    }

    /// Where a store ends now.
    pub(crate) async fn head(&self, context: Context) -> Result<Head, Unfit> {
        answered(self.reader(context)?.head()).await
    }

    /// What the relay of a store last noted.
    pub(crate) async fn relay_row(&self, context: Context) -> Result<Option<RelayRow>, Unfit> {
        answered(self.reader(context)?.relay_row()).await
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
        let size = &self.of(context)?.event_bytes;
        let (mut known, mut at) = (known.clone(), after);
        let (mut events, mut bytes) = (Vec::new(), 0);
        while at < up_to && bytes < RANGE_BYTES_MAX {
            let count = slice_events(RANGE_BYTES_MAX - bytes, size.load(Ordering::Relaxed));
            let slice = self.slice(context, at, up_to.min(Position(at.get() + count)), &known).await?;
            let Some((position, event_id)) = end_of(&slice) else { break };
            known.insert(position, event_id);
            at = position;
            let taken = slice.iter().map(bytes_of).sum::<usize>();
            size.store(taken / slice.len(), Ordering::Relaxed);
            bytes += taken;
            events.extend(slice);
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

    async fn slice(
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
        let is_other = |event: &Recorded<_>| known.get(&event.position).is_some_and(|id| *id != event.event_id);
        if events.iter().any(is_other) {
            return Err(Unfit::Changed(context));
        }
        if is_known {
            if events.first().is_none_or(|first| first.position != after) {
                return Err(Unfit::Changed(context));
            }
            events.remove(0);
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
            return answered(reader.after(after, count)).await;
        }
        let mut events = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
        // Not cut short by a time-out: a connection is of no use in the middle of a copy.
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
        let same = match held.event_id {
            Some(expected) => self.has(place.context, held.position, expected).await?,
            None => true,
        };
        if same && self.head(place.context).await?.history == held.history {
            Ok(())
        } else {
            Err(Unfit::Changed(place.context))
        }
    }

    /// Whether an event stands at a position.
    pub(crate) async fn has(&self, context: Context, position: Position, event: Uuid) -> Result<bool, Unfit> {
        Ok(answered(self.reader(context)?.event_at(position)).await? == Some(event))
    }
}

async fn answered<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, Unfit> {
    let silent = || StoreError::Unavailable(format!("no answer within {} s", ANSWER_WAIT_MAX.as_secs()));
    Ok(timeout(ANSWER_WAIT_MAX, asked).await.unwrap_or_else(|_| Err(silent()))?)
}

/// How many events of this size there is room for.
fn slice_events(room_bytes: usize, event_bytes: usize) -> i64 {
    i64::try_from(room_bytes / event_bytes.max(1)).unwrap_or(SLICE_EVENTS_MAX).clamp(1, SLICE_EVENTS_MAX)
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

#[cfg(test)]
mod tests;
