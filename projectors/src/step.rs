//! One batch, one transaction: the rows and the checkpoints move together or not at all.

use std::collections::HashSet;
use std::time::Duration;

use envelope::Recorded;
use event_store::RawPayload;
use event_store::keys::KeyRing;
use platform::faults;
use platform::postgres::{answered, lend};
use sqlx::{Connection as _, PgConnection, PgPool};
use uuid::Uuid;

use crate::checkpoint::Moves;
use crate::checkpoint_rows::{self, Moved};
use crate::parked_rows::{self, Aggregate};
use crate::parking::{Fate, Parking};
use crate::projection::{Batch, Failed, ReadModel, View};

/// How long a transaction may take, and how much longer for each event: a network that swallows what is sent breaks no
/// connection.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
const ANSWER_WAIT_PER_EVENT: Duration = Duration::from_millis(20);

/// What a batch is applied to.
#[derive(Clone, Copy)]
pub(crate) struct Target<'t> {
    pub(crate) model: &'static ReadModel,
    /// The live generation, and while a rebuild ends the one beside it.
    pub(crate) generations: &'t [i32],
    pub(crate) keys: Option<&'t KeyRing>,
    /// Events that somebody decided to leave out.
    pub(crate) skips: &'t HashSet<Uuid>,
}

impl Target<'_> {
    pub(crate) fn view<'v>(&'v self, db: &'v mut PgConnection, generation: i32) -> View<'v> {
        View { db, name: self.model.name, generation, keys: self.keys }
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stepped {
    /// It is applied; what could not be is `parked`, or something was parked before.
    Done { parked: bool },
    /// The checkpoints are not where they were thought to be. Nothing was changed.
    Lost,
}

/// Applies events and moves the checkpoints. A batch that fails for a reason of its events is applied again one by one.
pub(crate) async fn step(
    pool: &PgPool,
    target: Target<'_>,
    mut events: Vec<Recorded<RawPayload>>,
    moves: &Moves,
) -> Result<Stepped, Failed> {
    if !target.skips.is_empty() {
        events.retain(|event| !target.skips.contains(&event.event_id));
    }
    match attempt(pool, target, &events, moves, Manner::Together).await {
        Err(Failed::Event(reason)) => {
            tracing::warn!(projection = target.model.name, reason, "A batch failed; applying its events one by one");
            attempt(pool, target, &events, moves, Manner::OneByOne).await
        }
        outcome => outcome,
    }
}

/// Applies a batch that was decoded ahead, to one generation in which nothing is parked. `None` if something is.
pub(crate) async fn step_decoded(
    pool: &PgPool,
    target: Target<'_>,
    generation: i32,
    batch: &dyn Batch,
    moves: &Moves,
) -> Result<Option<Stepped>, Failed> {
    let mut tx = pool.begin().await?;
    match checkpoint_rows::advance(&mut tx, target.model.name, generation, moves).await? {
        Moved::Lost => return Ok(Some(Stepped::Lost)),
        Moved::All { parked: true } => return Ok(None),
        Moved::All { parked: false } => {}
    }
    batch.apply(&mut target.view(&mut tx, generation), 0..batch.len()).await?;
    tx.commit().await?;
    Ok(Some(Stepped::Done { parked: false }))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Together,
    OneByOne,
}

async fn attempt(
    pool: &PgPool,
    target: Target<'_>,
    events: &[Recorded<RawPayload>],
    moves: &Moves,
    manner: Manner,
) -> Result<Stepped, Failed> {
    let mut connection = lend(pool).await?;
    let attempted = attempt_on(&mut connection, target, events, moves, manner);
    let stepped = answered(wait_max(events.len()), attempted).await?;
    connection.give_back();
    Ok(stepped)
}

/// How long the transaction of so many events may take.
pub(crate) fn wait_max(events: usize) -> Duration {
    ANSWER_WAIT_MAX + ANSWER_WAIT_PER_EVENT * u32::try_from(events).unwrap_or(u32::MAX)
}

async fn attempt_on(
    connection: &mut PgConnection,
    target: Target<'_>,
    events: &[Recorded<RawPayload>],
    moves: &Moves,
    manner: Manner,
) -> Result<Stepped, Failed> {
    let mut tx = connection.begin().await?;
    let mut parks = false;
    for generation in target.generations {
        let rows_first = faults::planted("rows-before-checkpoint");
        if rows_first {
            apply_all(&mut tx, target, *generation, events, &Parking::new(HashSet::new())).await?;
            sqlx::Executor::execute(&mut *tx, "commit; begin").await?;
            faults::pass("projection.advanced");
        }
        let parked = match checkpoint_rows::advance(&mut tx, target.model.name, *generation, moves).await? {
            Moved::Lost => return Ok(Stepped::Lost),
            Moved::All { parked } => parked,
        };
        faults::pass("projection.advanced");
        if faults::planted("checkpoint-before-rows") {
            sqlx::Executor::execute(&mut *tx, "commit; begin").await?;
        }
        parks |= parked;
        let blocked = match parked {
            true => parked_rows::lock(&mut tx, target.model.name, *generation, events).await?,
            false => HashSet::new(),
        };
        let parking = Parking::new(blocked);
        match manner {
            _ if rows_first => {}
            Manner::Together => apply_all(&mut tx, target, *generation, events, &parking).await?,
            Manner::OneByOne => parks |= one_by_one(&mut tx, target, *generation, events, parking).await?,
        }
    }
    faults::pass("projection.applied");
    tx.commit().await?;
    faults::pass("projection.committed");
    Ok(Stepped::Done { parked: parks })
}

/// Applies events in one go; those of an aggregate that is parked queue behind it.
pub(crate) async fn apply_all(
    db: &mut PgConnection,
    target: Target<'_>,
    generation: i32,
    events: &[Recorded<RawPayload>],
    parking: &Parking<Aggregate>,
) -> Result<(), Failed> {
    let (behind, free): (Vec<_>, Vec<_>) =
        events.iter().partition(|event| parking.parks() && parking.fate(&Aggregate::of(event)) == Fate::Behind);
    for event in behind {
        parked_rows::park(db, target.model.name, generation, event, parked_rows::BEHIND).await?;
    }
    if free.is_empty() {
        return Ok(());
    }
    let batch = target.model.decode(free.into_iter().cloned().collect())?;
    batch.apply(&mut target.view(db, generation), 0..batch.len()).await
}

/// Says whether anything was parked.
async fn one_by_one(
    db: &mut PgConnection,
    target: Target<'_>,
    generation: i32,
    events: &[Recorded<RawPayload>],
    mut parking: Parking<Aggregate>,
) -> Result<bool, Failed> {
    for event in events {
        let aggregate = Aggregate::of(event);
        if parking.fate(&aggregate) == Fate::Behind {
            parked_rows::park(db, target.model.name, generation, event, parked_rows::BEHIND).await?;
            continue;
        }
        match apply_one(db, target, generation, event).await {
            Err(Failed::Event(_)) if faults::planted("poison-dropped") => {}
            Err(Failed::Event(reason)) => {
                tracing::error!(
                    projection = target.model.name,
                    context = %event.context,
                    position = event.position.get(),
                    reason,
                    "Parked an event that cannot be applied, later ones of its aggregate wait behind it; see \
                     `handsel parked list {}`: {reason}",
                    target.model.name
                );
                parked_rows::park(db, target.model.name, generation, event, &reason).await?;
                faults::pass("projection.parked");
                if !faults::planted("parked-does-not-block") {
                    parking.parked(aggregate);
                }
            }
            outcome => outcome?,
        }
    }
    Ok(parking.parks())
}

/// Applies one event under a savepoint, so that its failure leaves the transaction usable.
pub(crate) async fn apply_one(
    db: &mut PgConnection,
    target: Target<'_>,
    generation: i32,
    event: &Recorded<RawPayload>,
) -> Result<(), Failed> {
    let batch = target.model.decode(vec![event.clone()])?;
    let mut savepoint = db.begin().await?;
    batch.apply(&mut target.view(&mut savepoint, generation), 0..1).await?;
    savepoint.commit().await?;
    Ok(())
}
