//! Reads what a policy has not reacted to yet.

use std::sync::Arc;

use domain::policies::Policy;
use envelope::{Position, Recorded};
use event_schemas::{Context, Event};
use event_store::{RawPayload, Reader, StoreError};
use sqlx::PgPool;

use crate::checkpoints::{self, Checkpoint};
use crate::heads::Heads;

/// How many events are read at once.
pub(crate) const EVENTS_MAX: usize = 500;

/// Why a policy cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    #[error("the database of the policies: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the store of `{0}`: {1}")]
    Store(Context, StoreError),
    #[error(
        "the store of `{0}` is not the one that the policy has read: it lost events or began another history; run \
         `handsel recover {0}`"
    )]
    Changed(Context),
    #[error("nobody has said where it begins in `{0}`: run `handsel migrate`")]
    NotMigrated(Context),
    #[error("`{context}` at position {position}: {reason}")]
    Event { context: Context, position: i64, reason: String },
    #[error("another process leads it now")]
    Lost,
    #[error("the connection that holds its lock is gone")]
    Unlocked,
    #[error("a person has settled what was parked")]
    Settled,
}

impl Stopped {
    /// It does not pass by itself.
    pub(crate) fn needs_person(&self) -> bool {
        match self {
            Self::Changed(_) | Self::NotMigrated(_) | Self::Event { .. } => true,
            Self::Store(_, error) => !matches!(error, StoreError::Unavailable(_) | StoreError::Database(_)),
            Self::Database(_) | Self::Lost | Self::Unlocked | Self::Settled => false,
        }
    }
}

/// Where a policy is in a store, if the store is still the one that it has read.
pub(crate) async fn begin(
    pool: &PgPool,
    policy: &Policy,
    context: Context,
    reader: &Reader,
) -> Result<Checkpoint, Stopped> {
    let held = checkpoints::load(pool, policy.name, context).await?.ok_or(Stopped::NotMigrated(context))?;
    let head = reader.head().await.map_err(|error| Stopped::Store(context, error))?;
    let at = reader.event_at(held.position).await.map_err(|error| Stopped::Store(context, error))?;
    if head.history == held.history && at == held.event_id { Ok(held) } else { Err(Stopped::Changed(context)) }
}

/// The next events of a store, from memory if they are there.
pub(crate) async fn next(
    context: Context,
    reader: &Reader,
    heads: &Heads,
    from: &Checkpoint,
) -> Result<Vec<Arc<Recorded<Event>>>, Stopped> {
    if let Some(events) = heads.after(context, from, EVENTS_MAX) {
        return Ok(events);
    }
    let events = unread(context, reader, from).await?.into_iter().map(|stored| {
        let position = stored.position.get();
        decoded(context, stored).map(Arc::new).map_err(|reason| Stopped::Event { context, position, reason })
    });
    events.collect()
}

/// The events after a checkpoint; the one at it must still be there.
pub(crate) async fn unread(
    context: Context,
    reader: &Reader,
    from: &Checkpoint,
) -> Result<Vec<Recorded<RawPayload>>, Stopped> {
    let known = from.event_id.is_some();
    let events_max = i64::try_from(EVENTS_MAX).unwrap_or(i64::MAX);
    let after = if known { Position(from.position.get() - 1) } else { from.position };
    let events = reader.after(after, events_max + i64::from(known)).await;
    let mut events = events.map_err(|error| Stopped::Store(context, error))?;
    if known {
        let same = events
            .first()
            .is_some_and(|event| event.position == from.position && Some(event.event_id) == from.event_id);
        if !same {
            return Err(Stopped::Changed(context));
        }
        events.remove(0);
    }
    Ok(events)
}

/// An event of a store, as the policies know it.
pub(crate) fn decoded(context: Context, event: Recorded<RawPayload>) -> Result<Recorded<Event>, String> {
    event.try_map(|head, payload| {
        let decoded = Event::decode(context, &head.event_type, &head.event_version, payload.get());
        decoded.map_err(|error| format!("{:#}", anyhow::Error::new(error)))
    })
}
