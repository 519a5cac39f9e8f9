//! Reads what a policy has not reacted to yet.

use domain::policies::{Policy, Reaction};
use envelope::{Position, Recorded};
use event_schemas::{Context, Event};
use event_store::{RawPayload, Reader, StoreError};
use sqlx::{Connection as _, PgPool};

use crate::checkpoints::{self, Checkpoint};
use crate::dispatches::{self, LedBy, Note, Noted};
use crate::effects::Effects;
use crate::timers::Changes;

/// How many events one transaction reacts to.
pub(crate) const EVENTS_MAX: i64 = 500;

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

/// What follows from the next events of a store, not stored yet.
pub(crate) struct Step {
    pub(crate) context: Context,
    from: Checkpoint,
    pub(crate) to: Checkpoint,
    notes: Vec<Note>,
    timers: Changes,
    asking: Vec<Recorded<Event>>,
}

/// Reacts to the next events of a store; `None` if there is nothing new. `asks` keeps the events for effects.
pub(crate) async fn read(
    policy: &Policy,
    context: Context,
    reader: &Reader,
    from: Checkpoint,
    asks: bool,
) -> Result<Option<Step>, Stopped> {
    let events = unread(context, reader, &from).await?;
    let Some(last) = events.last() else { return Ok(None) };
    let to = Checkpoint { position: last.position, event_id: Some(last.event_id), ..from };
    let (mut notes, mut timers, mut asking) = (Vec::new(), Changes::default(), Vec::new());
    for event in events {
        let (position, stored) = (event.position, event);
        let event =
            decoded(context, stored).map_err(|reason| Stopped::Event { context, position: position.get(), reason })?;
        for (ordinal, reaction) in (0_i32..).zip((policy.react)(&event)) {
            let (event_id, cause) = (event.event_id, event.cause.clone());
            let led_by = LedBy { context, position, ordinal, event_id, cause };
            match reaction {
                Reaction::Dispatch(dispatch) => notes.push(Note { led_by, dispatch }),
                Reaction::Remind(timer) => timers.set(timer, led_by),
                Reaction::Forget { timer, about } => timers.forget(timer, about),
            }
        }
        if asks {
            asking.push(event);
        }
    }
    Ok(Some(Step { context, from, to, notes, timers, asking }))
}

/// Stores what follows and moves the checkpoints, or neither; of several stores in one transaction, because the disk is
/// what is waited for. Gives what was noted.
pub(crate) async fn write(
    pool: &PgPool,
    policy: &Policy,
    steps: &mut [Step],
    effects: Option<&dyn Effects>,
) -> Result<Vec<Noted>, Stopped> {
    let mut connection = pool.acquire().await?;
    let mut tx = connection.begin().await?;
    for Step { context, from, to, .. } in &*steps {
        if !checkpoints::advance(&mut tx, policy.name, *context, from, to).await? {
            return Err(Stopped::Lost);
        }
    }
    if platform::faults::planted("checkpoint-before-notes") {
        tx.commit().await?;
        tx = connection.begin().await?;
    }
    platform::faults::pass("policy.advanced");
    let notes: Vec<Note> = steps.iter_mut().flat_map(|step| step.notes.drain(..)).collect();
    let noted = dispatches::insert(&mut tx, policy.name, &notes).await?;
    for Step { timers, asking, .. } in steps {
        timers.write(&mut tx, policy.name).await?;
        if let Some(effects) = effects {
            effects.note(&mut tx, policy.name, asking).await?;
        }
    }
    tx.commit().await?;
    platform::faults::pass("policy.noted");
    Ok(noted)
}

/// The events after a checkpoint; the one at it must still be there.
pub(crate) async fn unread(
    context: Context,
    reader: &Reader,
    from: &Checkpoint,
) -> Result<Vec<Recorded<RawPayload>>, Stopped> {
    let known = from.event_id.is_some();
    let after = if known { Position(from.position.get() - 1) } else { from.position };
    let events = reader.after(after, EVENTS_MAX + i64::from(known)).await;
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

fn decoded(context: Context, event: Recorded<RawPayload>) -> Result<Recorded<Event>, String> {
    event.try_map(|head, payload| {
        let decoded = Event::decode(context, &head.event_type, &head.event_version, payload.get());
        decoded.map_err(|error| format!("{:#}", anyhow::Error::new(error)))
    })
}
