//! Deliveries at work: what happened is noted for whoever wants it, what is due is sent, what came of it is stored.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use event_schemas::Context;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;

use super::deliveries::{self, AT_ONCE_MAX, Due};
use super::engine::{Engine, NAME};
use super::parcel::pack;
use super::places;
use super::send::Outcome;
use super::subscriptions::{self, Webhook};
use crate::checkpoints::Checkpoint;
use crate::reading::{Stopped, unread};
use crate::term::Term;

/// How many attempts are under way at once.
const ATTEMPTS_MAX: usize = 128;
/// How long nothing at all may happen before the tables are looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often what is no longer shown is removed.
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);

/// What the leader has in hand.
pub(super) struct Session {
    term: Term,
    webhooks: BTreeMap<Uuid, Arc<Webhook>>,
    places: BTreeMap<(Uuid, String), Checkpoint>,
    /// How often persons had changed something when the tables were read.
    changes: i64,
    /// What is under way, and for whom.
    busy: HashMap<i64, Uuid>,
    attempts: JoinSet<(Due, Outcome)>,
    /// Stores that cannot be read on, and why.
    stuck: BTreeMap<Context, String>,
    look_at: Instant,
    forget_at: Instant,
}

impl Session {
    pub(super) async fn begin(engine: &Engine) -> Result<Self, Stopped> {
        let term = Term::begin(&engine.pool, NAME).await?;
        let now = Instant::now();
        Ok(Self {
            term,
            webhooks: BTreeMap::new(),
            places: BTreeMap::new(),
            changes: -1,
            busy: HashMap::new(),
            attempts: JoinSet::new(),
            stuck: BTreeMap::new(),
            look_at: now,
            forget_at: now,
        })
    }

    pub(super) async fn work(&mut self, engine: &mut Engine) -> Result<(), Stopped> {
        loop {
            self.look(engine).await?;
            let moved = self.read(engine).await?;
            self.send(engine).await?;
            if moved {
                continue;
            }
            tokio::select! {
                Some(attempted) = self.attempts.join_next() => self.settle(engine, attempted).await?,
                () = engine.grown() => {}
                () = tokio::time::sleep_until(self.look_at) => {}
            }
        }
    }

    /// Reads the tables again if a person has changed something, and says how deliveries are.
    async fn look(&mut self, engine: &mut Engine) -> Result<(), Stopped> {
        if Instant::now() < self.look_at {
            return Ok(());
        }
        let changes = subscriptions::changes(&engine.pool).await?;
        if self.changes != changes {
            let active = subscriptions::active(&engine.pool).await?;
            self.webhooks = active.into_iter().map(|webhook| (webhook.webhook, Arc::new(webhook))).collect();
            self.places = places::of_active(&engine.pool).await?;
            self.stuck.clear();
            if !self.webhooks.is_empty() {
                engine.watch();
            }
            self.changes = changes;
        }
        if Instant::now() >= self.forget_at {
            deliveries::forget_old(&engine.pool).await?;
            self.forget_at = Instant::now() + FORGET_EVERY;
        }
        let parked = deliveries::parked(&engine.pool).await?;
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and nobody counts so far")]
        metrics::gauge!("handsel_webhook_parked_deliveries").set(parked as f64);
        if let Some(reason) = self.stuck.values().next() {
            engine.check.pass_but(format!("webhooks do not hear of everything: {reason}"));
        } else if parked > 0 {
            engine.check.pass_but(format!("{parked} deliveries to webhooks wait for a person: see `handsel doctor`"));
        } else {
            engine.check.pass();
        }
        self.look_at = Instant::now() + LOOK_EVERY;
        Ok(())
    }

    /// Notes the next events of each store for each subscription that wants them.
    async fn read(&mut self, engine: &Engine) -> Result<bool, Stopped> {
        let mut moved = false;
        let webhooks: Vec<_> = self.webhooks.values().cloned().collect();
        for webhook in webhooks {
            let grown: Vec<_> =
                webhook.reads().into_iter().filter(|context| self.lacks(engine, &webhook, *context)).collect();
            if grown.is_empty() || deliveries::is_full(&engine.pool, webhook.webhook).await? {
                continue;
            }
            for context in grown {
                match self.note(engine, &webhook, context).await {
                    Ok(any) => moved |= any,
                    // Other stores and subscriptions go on.
                    Err(reason) if reason.needs_person() => {
                        tracing::error!(%context, %reason, "Webhooks hear nothing of `{context}`: {reason}");
                        self.stuck.insert(context, reason.to_string());
                    }
                    Err(reason) => return Err(reason),
                }
            }
        }
        Ok(moved)
    }

    fn lacks(&self, engine: &Engine, webhook: &Webhook, context: Context) -> bool {
        let place = self.places.get(&(webhook.webhook, context.name().to_owned()));
        !self.stuck.contains_key(&context) && place.is_some_and(|at| engine.newest(context) > at.position)
    }

    async fn note(&mut self, engine: &Engine, webhook: &Webhook, context: Context) -> Result<bool, Stopped> {
        let key = (webhook.webhook, context.name().to_owned());
        let (Some(from), Some(reader)) = (self.places.get(&key).copied(), engine.readers.get(&context)) else {
            return Ok(false);
        };
        let events = unread(context, reader, &from).await?;
        let Some(last) = events.last() else { return Ok(false) };
        let to = Checkpoint { position: last.position, event_id: Some(last.event_id), ..from };
        let mut packed = Vec::new();
        for event in events.iter().filter(|event| webhook.wants(event)) {
            let broken = |error: serde_json::Error| Stopped::Event {
                context,
                position: event.position.get(),
                reason: error.to_string(),
            };
            packed.push(pack(context, event).map_err(broken)?);
        }
        let mut tx = self.term.transaction(&engine.pool).await?;
        if !places::advance(&mut tx, webhook.webhook, context, &from, &to).await? {
            // A person has removed it or moved it meanwhile: the tables say which.
            (self.changes, self.look_at) = (-1, Instant::now());
            self.places.remove(&key);
            return Ok(false);
        }
        deliveries::insert(&mut tx, webhook.webhook, &packed).await?;
        tx.commit().await?;
        platform::faults::pass("webhook.noted");
        self.places.insert(key, to);
        Ok(true)
    }

    /// Sends what is due, as much as may be under way.
    async fn send(&mut self, engine: &Engine) -> Result<(), Stopped> {
        if self.webhooks.is_empty() || self.busy.len() >= ATTEMPTS_MAX {
            return Ok(());
        }
        let busy: Vec<i64> = self.busy.keys().copied().collect();
        for due in deliveries::due(&engine.pool, &busy).await? {
            let under_way = self.busy.values().filter(|webhook| **webhook == due.webhook).count();
            let Some(webhook) = self.webhooks.get(&due.webhook).cloned() else { continue };
            if under_way >= AT_ONCE_MAX || self.busy.len() >= ATTEMPTS_MAX {
                continue;
            }
            self.busy.insert(due.number, due.webhook);
            let sender = engine.config.sender.clone();
            let opened = webhook.signing(&engine.config.secrets, platform::clock::now());
            self.attempts.spawn(async move {
                let outcome = match opened {
                    Ok(secrets) => sender.send(&webhook.url, &secrets, &due.message).await,
                    Err(error) => {
                        let why = format!("its secret cannot be opened, so that nothing can be signed: {error}");
                        Outcome::Failed { status: None, why, retry_after: None }
                    }
                };
                (due, outcome)
            });
        }
        Ok(())
    }

    /// Stores what came of one attempt, and of all others that ended with it.
    async fn settle(&mut self, engine: &Engine, first: Result<(Due, Outcome), JoinError>) -> Result<(), Stopped> {
        let mut ended = vec![first];
        while let Some(attempted) = self.attempts.try_join_next() {
            ended.push(attempted);
        }
        platform::faults::pass("webhook.answered");
        let mut tx = self.term.transaction(&engine.pool).await?;
        let mut settled = Vec::new();
        for attempted in ended {
            let (due, outcome) = attempted.map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))?;
            let asked = match &outcome {
                Outcome::Failed { retry_after, .. } => *retry_after,
                Outcome::Delivered(_) | Outcome::Gone => None,
            };
            let again = engine.config.pace.after(due.attempts + 1, rand::random(), asked);
            deliveries::settle(&mut tx, &due, &outcome, again).await?;
            settled.push((due, outcome, again.is_some()));
        }
        tx.commit().await?;
        for (due, outcome, again) in settled {
            self.busy.remove(&due.number);
            tell(&due, &outcome, again);
            if outcome == Outcome::Gone {
                self.webhooks.remove(&due.webhook);
            }
        }
        Ok(())
    }
}

fn tell(due: &Due, outcome: &Outcome, again: bool) {
    let (webhook, message) = (due.webhook, &due.message.id);
    match outcome {
        Outcome::Delivered(_) => attempts_total("delivered").increment(1),
        Outcome::Gone => {
            attempts_total("gone").increment(1);
            tracing::warn!(%webhook, "The receiver of a webhook answered 410: it is disabled");
        }
        Outcome::Failed { why, .. } => {
            attempts_total("failed").increment(1);
            if again {
                tracing::info!(%webhook, message, "A delivery failed and is tried again: {why}");
            } else {
                tracing::error!(
                    %webhook,
                    message,
                    "A delivery failed for the last time and waits for a person, and what follows for the same \
                     aggregate behind it: {why}"
                );
            }
        }
    }
}

fn attempts_total(outcome: &'static str) -> metrics::Counter {
    metrics::counter!("handsel_webhook_attempts_total", "outcome" => outcome)
}

/// Shown from the start: a counter that appears with its first count has no rate then.
pub(super) fn show_metrics() {
    for outcome in ["delivered", "failed", "gone"] {
        attempts_total(outcome).increment(0);
    }
    metrics::gauge!("handsel_webhook_parked_deliveries").set(0.0);
}
