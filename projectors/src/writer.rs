//! Writes what several projections took from one poll in one transaction.
//!
//! Each would otherwise begin, compare, change and commit by itself, and for a few events that costs Postgres more than
//! the rows do. What cannot go together goes alone, whatever the reason, so that no projection suffers from another.

use std::collections::HashSet;
use std::time::Duration;

use envelope::Recorded;
use event_store::RawPayload;
use event_store::keys::KeyRing;
use platform::faults;
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, PgPool, Postgres};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use crate::checkpoint::Moves;
use crate::checkpoint_rows::{self, Moved};
use crate::parked_rows;
use crate::parking::Parking;
use crate::projection::{Failed, ReadModel};
use crate::step::{Stepped, Target, apply_all, step, wait_max};

/// A projection hands over one step and waits for it, so there are at most as many as projections.
const STEPS_MAX: usize = 64;
/// How long what is written together waits for a lock: one projection's rows may be held, as by a retry of what is
/// parked or the end of a rebuild, and the others must not wait for that.
const LOCK_WAIT_MAX: Duration = Duration::from_millis(50);

/// What one projection wants to have written.
pub(crate) struct Step {
    pub(crate) model: &'static ReadModel,
    pub(crate) generation: i32,
    pub(crate) keys: Option<KeyRing>,
    /// Without those that somebody decided to leave out.
    pub(crate) events: Vec<Recorded<RawPayload>>,
    pub(crate) moves: Moves,
}

/// Where projections hand over their steps.
#[derive(Clone)]
pub(crate) struct Writer {
    steps: mpsc::Sender<Handed>,
    pool: PgPool,
}

struct Handed {
    step: Step,
    written: oneshot::Sender<Result<Stepped, Failed>>,
}

impl Writer {
    /// Starts the task that writes; it ends with the last one who hands over.
    pub(crate) fn start(pool: PgPool) -> Self {
        let (steps, handed) = mpsc::channel(STEPS_MAX);
        tokio::spawn(run(pool.clone(), handed));
        Self { steps, pool }
    }

    /// Applies the events and moves the checkpoints, with whatever else is handed over now.
    pub(crate) async fn write(&self, step: Step) -> Result<Stepped, Failed> {
        let (written, outcome) = oneshot::channel();
        match self.steps.send(Handed { step, written }).await {
            Ok(()) => outcome.await.unwrap_or_else(|_| Err(unfinished())),
            Err(mpsc::error::SendError(Handed { step, .. })) => alone(&self.pool, step).await,
        }
    }
}

fn unfinished() -> Failed {
    Failed::Outside(anyhow::anyhow!("the transaction was given up"))
}

async fn run(pool: PgPool, mut handed: mpsc::Receiver<Handed>) {
    let mut held = None;
    while let Some(first) = handed.recv().await {
        // Whoever was given the same poll is about to hand over too.
        tokio::task::yield_now().await;
        let mut all = vec![first];
        while let Ok(next) = handed.try_recv() {
            all.push(next);
        }
        // In one order in every process, so that two never wait for each other's rows in a circle.
        all.sort_by_key(|handed| handed.step.model.name);
        if all.len() > 1
            && !faults::planted("rows-before-checkpoint")
            && let Some(stepped) = together(&pool, &mut held, &all).await
        {
            for Handed { written, .. } in all {
                // Whoever does not wait any more loads the checkpoints when it comes back.
                let _gone = written.send(Ok(stepped));
            }
            continue;
        }
        for Handed { step, written } in all {
            let pool = pool.clone();
            // Apart from this task, which goes on for the others: a projection has one step at a time.
            tokio::spawn(async move {
                let _gone = written.send(alone(&pool, step).await);
            });
        }
    }
}

async fn alone(pool: &PgPool, mut of: Step) -> Result<Stepped, Failed> {
    let skips = HashSet::new();
    let events = std::mem::take(&mut of.events);
    step(pool, of.target(&[of.generation], &skips), events, &of.moves).await
}

impl Step {
    fn target<'t>(&'t self, generations: &'t [i32], skips: &'t HashSet<Uuid>) -> Target<'t> {
        Target { model: self.model, generations, keys: self.keys.as_ref(), skips }
    }
}

/// The connection for what is written together. It is not given back: the pool asks each that comes back whether it
/// lives and hands out the one that rested longest, and here one transaction follows another.
type Held = Option<PoolConnection<Postgres>>;

/// `None` if nothing was changed: each has to go alone.
async fn together(pool: &PgPool, held: &mut Held, all: &[Handed]) -> Option<Stepped> {
    let events = all.iter().map(|Handed { step, .. }| step.events.len()).sum();
    let reason = match timeout(wait_max(events), commit(pool, held, all)).await {
        Ok(Ok(stepped)) => return stepped,
        Ok(Err(failed)) => {
            *held = None;
            failed.to_string()
        }
        Err(elapsed) => {
            // The pool would wait for it to come to rest.
            drop(held.take().map(PoolConnection::detach));
            elapsed.to_string()
        }
    };
    tracing::debug!(reason, "Several projections could not be written together; each goes alone");
    None
}

async fn commit(pool: &PgPool, held: &mut Held, all: &[Handed]) -> Result<Option<Stepped>, Failed> {
    let skips = HashSet::new();
    let connection = match held {
        Some(connection) => connection,
        None => held.insert(pool.acquire().await?),
    };
    let mut tx = connection.begin().await?;
    let moves = all.iter().map(|Handed { step, .. }| (step.model.name, step.generation, &step.moves));
    let Moved::All { parked } = checkpoint_rows::advance_all(&mut tx, moves, Some(LOCK_WAIT_MAX)).await? else {
        return Ok(None);
    };
    faults::pass("projection.advanced");
    if faults::planted("checkpoint-before-rows") {
        sqlx::Executor::execute(&mut *tx, "commit; begin").await?;
    }
    for Handed { step, .. } in all {
        let blocked = match parked {
            true => parked_rows::lock(&mut tx, step.model.name, step.generation, &step.events).await?,
            false => HashSet::new(),
        };
        apply_all(&mut tx, step.target(&[], &skips), step.generation, &step.events, &Parking::new(blocked)).await?;
    }
    faults::pass("projection.applied");
    tx.commit().await?;
    faults::pass("projection.committed");
    Ok(Some(Stepped::Done { parked }))
}
