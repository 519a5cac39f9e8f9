//! What a policy has read and is not stored yet.
//!
//! Storing moves the checkpoints and writes what still has to be done because of the events before them, or does
//! neither. It is put off for a moment, so that what is over by then need not be stored at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::policies::{Policy, Reaction};
use envelope::Recorded;
use event_schemas::{Context, Event};
use sqlx::{Connection as _, PgPool};
use tokio::time::Instant;

use crate::backlog::Backlog;
use crate::checkpoints::{self, Checkpoint};
use crate::dispatches::{self, LedBy, Noted};
use crate::effects::Effects;
use crate::reading::Stopped;
use crate::timers::Changes;

/// How long storing is put off: so much is read again after a crash.
const STORE_WITHIN: Duration = Duration::from_millis(100);

/// See the module.
pub(crate) struct Ahead {
    stored: BTreeMap<Context, Checkpoint>,
    read: BTreeMap<Context, Checkpoint>,
    timers: Changes,
    /// What asks for effects.
    asking: Vec<Arc<Recorded<Event>>>,
    store_at: Option<Instant>,
}

impl Ahead {
    /// Nothing: all that was read is stored.
    pub(crate) fn new(stored: BTreeMap<Context, Checkpoint>) -> Self {
        let (read, timers, asking) = (stored.clone(), Changes::default(), Vec::new());
        Self { stored, read, timers, asking, store_at: None }
    }

    /// Up to where a store was read.
    pub(crate) fn at(&self, context: Context) -> Option<Checkpoint> {
        self.read.get(&context).copied()
    }

    /// When it is to be stored, if there is anything.
    pub(crate) fn store_at(&self) -> Option<Instant> {
        self.store_at
    }

    /// The next event of its store was read.
    pub(crate) fn reads(
        &mut self,
        policy: &Policy,
        event: &Arc<Recorded<Event>>,
        backlog: &mut Backlog,
        effects: Option<&dyn Effects>,
    ) {
        let (context, position) = (event.data.context(), event.position);
        for (ordinal, reaction) in (0_i32..).zip((policy.react)(event)) {
            let (event_id, cause) = (event.event_id, event.cause.clone());
            let led_by = LedBy { context, position, ordinal, event_id, cause };
            match reaction {
                Reaction::Dispatch(dispatch) => backlog.follows(Noted::new(led_by, dispatch)),
                Reaction::Remind(timer) => self.timers.set(timer, led_by),
                Reaction::Forget { timer, about } => self.timers.forget(timer, about),
            }
        }
        let mut wait = STORE_WITHIN;
        if let Some(effects) = effects.filter(|effects| effects.asks(event)) {
            self.asking.push(event.clone());
            wait = if effects.is_urgent() { Duration::ZERO } else { wait };
        }
        let store_at = Instant::now() + wait;
        self.store_at = Some(self.store_at.map_or(store_at, |before| before.min(store_at)));
        if let Some(at) = self.read.get_mut(&context) {
            (at.position, at.event_id) = (position, Some(event.event_id));
        }
    }

    /// Moves the checkpoints to where was read, and stores what is still to be done because of that; or does neither.
    pub(crate) async fn store(
        &mut self,
        pool: &PgPool,
        policy: &str,
        backlog: &mut Backlog,
        effects: Option<&mut (dyn Effects + 'static)>,
    ) -> Result<(), Stopped> {
        let mut connection = pool.acquire().await?;
        let mut tx = connection.begin().await?;
        let moved: Vec<_> = self
            .read
            .iter()
            .filter_map(|(context, to)| {
                let from = self.stored.get(context).filter(|from| *from != to)?;
                Some((*context, *from, *to))
            })
            .collect();
        if !checkpoints::advance(&mut tx, policy, &moved).await? {
            return Err(Stopped::Lost);
        }
        if platform::faults::planted("checkpoint-before-notes") {
            tx.commit().await?;
            tx = connection.begin().await?;
        }
        platform::faults::pass("policy.advanced");
        let numbers = dispatches::insert(&mut tx, policy, &backlog.unstored()).await?;
        self.timers.write(&mut tx, policy).await?;
        if let Some(effects) = effects.filter(|_| !self.asking.is_empty()) {
            effects.note(&mut tx, policy, &self.asking).await?;
        }
        tx.commit().await?;
        platform::faults::pass("policy.noted");
        backlog.stored(numbers);
        self.stored.clone_from(&self.read);
        (self.timers, self.store_at) = (Changes::default(), None);
        self.asking.clear();
        Ok(())
    }
}
