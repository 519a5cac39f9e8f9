//! Follows one projection: catches up from the stores, then lives on the feed, and goes back to the stores whenever the
//! feed has a gap or is silent.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use envelope::{Position, Recorded};
use event_schemas::Context;
use event_store::RawPayload;
use event_store::keys::KeyRing;
use platform::progress::{self, Progress};
use platform::telemetry::messaging::{self, Processing};
use sqlx::PgPool;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use crate::checkpoint::{Checkpoint, Cursor, Moves, Place, Verdict, WHOLE_STORE};
use crate::feed::{Feed, Incoming, Poll};
use crate::lag::{Condition, Pulse};
use crate::projection::{Failed, Order, ReadModel};
use crate::share::Held;
use crate::silence;
use crate::step::{Stepped, Target, step};
use crate::store_watch::Watched;
use crate::stores::{Stores, Unfit, end_of, partition_of};
use crate::writer::{Step, Writer};
use crate::{checkpoint_rows, generation, parked_rows};

/// A transaction that catches up from a store has at most so many events.
const RANGE_EVENTS: i64 = 5_000;
/// How often silence is looked for.
const TICK: Duration = Duration::from_millis(100);
/// How long what is read in order waits for more.
const GATHER: Duration = Duration::from_millis(25);
/// After trouble with a database.
const RETRY: Duration = Duration::from_millis(500);
/// After trouble that a person has to end.
const RETRY_STOPPED: Duration = Duration::from_secs(5);

/// What follows one projection.
pub(crate) struct Follower {
    pub(crate) model: &'static ReadModel,
    pub(crate) views: PgPool,
    pub(crate) writer: Writer,
    pub(crate) stores: Stores,
    pub(crate) keys: Option<KeyRing>,
    pub(crate) progress: Progress,
    pub(crate) feed: Feed,
    pub(crate) watched: Watched,
    pub(crate) held: watch::Receiver<Held>,
    pub(crate) pulse: Pulse,
    pub(crate) shutdown: CancellationToken,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the process ends")]
    Shutdown,
    #[error("other partitions are held now")]
    HeldOthers,
    #[error("the checkpoints were moved by somebody else")]
    Lost,
    #[error(
        "its rows were made by version {made} of its code and this is version {ours}: \
         run `handsel rebuild {name} --accept`"
    )]
    OtherVersion { name: &'static str, made: i32, ours: i32 },
    #[error("it has no tables yet: run `handsel migrate`")]
    NotMigrated,
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error(transparent)]
    Failed(#[from] Failed),
}

impl From<sqlx::Error> for Ended {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(Failed::Database(error))
    }
}

impl Follower {
    /// Follows until the process ends, whatever happens to the databases.
    pub(crate) async fn run(mut self) {
        loop {
            let ended = match self.session().await {
                Ok(never) => match never {},
                Err(ended) => ended,
            };
            let pause = match &ended {
                Ended::Shutdown => return,
                Ended::HeldOthers | Ended::Lost => Duration::ZERO,
                Ended::Unfit(Unfit::Changed(_)) | Ended::OtherVersion { .. } => RETRY_STOPPED,
                Ended::Unfit(_) | Ended::Failed(_) | Ended::NotMigrated => RETRY,
            };
            if pause > Duration::ZERO {
                tracing::warn!(projection = self.model.name, reason = %ended, "The projection stopped and tries again");
                self.pulse.stop(ended.to_string());
                tokio::select! {
                    () = self.shutdown.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }

    async fn session(&mut self) -> Result<std::convert::Infallible, Ended> {
        let partitions = self.wait_for_partitions().await?;
        let live = generation::live(&self.views, self.model.name).await?.ok_or(Ended::NotMigrated)?;
        if live.version != self.model.version {
            return Err(Ended::OtherVersion { name: self.model.name, made: live.version, ours: self.model.version });
        }
        let mut places = BTreeMap::new();
        for context in self.model.contexts {
            let history = self.stores.of(*context)?.head().await.map_err(Unfit::from)?.history;
            places.extend(
                partitions.iter().map(|partition| (Place { context: *context, partition: *partition }, history)),
            );
        }
        let cursor = checkpoint_rows::load(&self.views, self.model.name, live.generation, &places).await?;
        for (place, held) in cursor.places() {
            self.stores.check(*place, held).await?;
        }
        let skips = parked_rows::skips(&self.views, self.model.name).await?;
        let heard = places.keys().map(|place| (*place, Instant::now())).collect();
        let mut session = Session { of: self, generation: live.generation, cursor, skips, heard };
        // Whether anything is parked says the first step.
        session.announce(session.cursor.places(), false);
        let ended = session.follow().await;
        session.withdraw();
        ended
    }

    /// The partitions to follow: those whose locks this process holds.
    async fn wait_for_partitions(&mut self) -> Result<Vec<i32>, Ended> {
        loop {
            let mine: Vec<i32> =
                self.held.borrow_and_update().get(self.model.name).into_iter().flatten().copied().collect();
            if !mine.is_empty() {
                return Ok(mine);
            }
            self.pulse.set(Condition::Standby);
            tokio::select! {
                () = self.shutdown.cancelled() => return Err(Ended::Shutdown),
                changed = self.held.changed() => changed.map_err(|_| Ended::Shutdown)?,
            }
        }
    }
}

/// One projection at work on the partitions that it holds.
struct Session<'f> {
    of: &'f mut Follower,
    generation: i32,
    cursor: Cursor,
    skips: HashSet<Uuid>,
    heard: BTreeMap<Place, Instant>,
}

impl Session<'_> {
    async fn follow(&mut self) -> Result<std::convert::Infallible, Ended> {
        loop {
            self.catch_up_all().await?;
            let mut polls = self.of.feed.join(self.of.model.contexts);
            // What came between the end of the store and the seat.
            self.catch_up_all().await?;
            self.live_on(&mut polls).await?;
            tracing::info!(projection = self.of.model.name, "Left the feed to catch up from the store");
        }
    }

    /// Returns when the seat is lost.
    async fn live_on(&mut self, polls: &mut mpsc::Receiver<Poll>) -> Result<(), Ended> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = self.of.shutdown.cancelled() => return Err(Ended::Shutdown),
                changed = self.of.held.changed() => {
                    return Err(if changed.is_ok() { Ended::HeldOthers } else { Ended::Shutdown });
                }
                poll = polls.recv() => match poll {
                    Some(poll) => self.take(poll, polls).await?,
                    None => return Ok(()),
                },
                _ = tick.tick() => self.end_silence().await?,
            }
        }
    }

    async fn take(&mut self, poll: Poll, polls: &mut mpsc::Receiver<Poll>) -> Result<(), Ended> {
        match self.of.model.order {
            Order::Aggregate => self.apply_records(&poll).await,
            // The feed only says that there is something: what is read in order comes from the store.
            Order::Store => {
                let polls = self.gather(poll, polls).await;
                for context in self.of.model.contexts {
                    let records = polls.iter().flat_map(|poll| poll.iter());
                    let newest = records.filter(|record| record.stamp.place.context == *context);
                    if let Some(newest) = newest.map(|record| record.stamp.position).max() {
                        self.catch_up_to(*context, newest).await?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Waits a moment for more, unless somebody waits for this view: a range of the store costs hardly more than one
    /// event.
    async fn gather(&self, first: Poll, polls: &mut mpsc::Receiver<Poll>) -> Vec<Poll> {
        let mut gathered = vec![first];
        let until = tokio::time::Instant::now() + GATHER;
        let wanted = self.of.progress.wanted(self.of.model.name);
        tokio::pin!(wanted);
        loop {
            tokio::select! {
                biased;
                () = &mut wanted => return gathered,
                poll = polls.recv() => match poll {
                    Some(poll) => gathered.push(poll),
                    None => return gathered,
                },
                () = tokio::time::sleep_until(until) => return gathered,
            }
        }
    }

    async fn apply_records(&mut self, poll: &Poll) -> Result<(), Ended> {
        let mut rest = &poll[..];
        while !rest.is_empty() {
            let plan = self.cursor.plan(rest.iter().map(|record| record.stamp));
            let events = plan.apply.iter().map(|index| rest[*index].event.clone()).collect();
            let span = self.span(plan.apply.iter().map(|index| &rest[*index]));
            for record in rest {
                self.heard.insert(record.stamp.place, Instant::now());
            }
            let measured = plan.apply.first().map(|index| self.processing(&rest[*index]));
            self.write(events, &plan.moves).instrument(span).await?;
            drop(measured);
            let Some((index, verdict)) = plan.stopped else { break };
            let context = rest[index].stamp.place.context;
            if verdict == Verdict::OtherHistory {
                // Either the topic is from before a recovery, or the store has begun another history since.
                for (place, held) in self.cursor.of(context).take(1) {
                    self.of.stores.check(*place, held).await?;
                }
                rest = &rest[index + 1..];
            } else {
                tracing::debug!(projection = self.of.model.name, %context, "A gap in the topic; reading the store");
                self.catch_up(context).await?;
                rest = &rest[index..];
            }
        }
        Ok(())
    }

    /// Work on records, as the traces that they belong to show it.
    fn span<'r>(&self, mut records: impl Iterator<Item = &'r Incoming> + Clone) -> Span {
        let causes = records.clone().map(|record| record.event.cause.traceparent.as_deref());
        let Some(first) = records.next() else { return Span::none() };
        let at = (first.stamp.place.partition, first.stamp.offset);
        let span = messaging::process(&first.topic, self.of.feed.group(), at, causes);
        span.record("projection", self.of.model.name);
        span
    }

    fn processing(&self, first: &Incoming) -> Processing {
        Processing::of(&first.topic, self.of.feed.group(), self.of.model.name)
    }

    /// Reads the store where the topic is quiet although something is missing.
    async fn end_silence(&mut self) -> Result<(), Ended> {
        for context in self.of.model.contexts {
            let waits = self.of.progress.waiting(context.name());
            let seen = self.of.watched.seen(*context);
            let quiet = |place: &Place| self.heard.get(place).is_none_or(|at| silence::is_long(at.elapsed(), waits));
            if self.cursor.of(*context).any(|(place, held)| quiet(place) && seen.is_ahead_of(*place, held)) {
                self.catch_up(*context).await?;
            }
        }
        Ok(())
    }

    async fn catch_up_all(&mut self) -> Result<(), Ended> {
        for context in self.of.model.contexts {
            self.catch_up(*context).await?;
        }
        Ok(())
    }

    /// Reads the store up to its end.
    async fn catch_up(&mut self, context: Context) -> Result<(), Ended> {
        let head = self.of.stores.of(context)?.head().await.map_err(Unfit::from)?.position;
        self.catch_up_to(context, head).await
    }

    /// Reads the store up to a position that it has.
    async fn catch_up_to(&mut self, context: Context, end: Position) -> Result<(), Ended> {
        loop {
            if self.of.shutdown.is_cancelled() {
                return Err(Ended::Shutdown);
            }
            if self.of.held.has_changed().unwrap_or(true) {
                return Err(Ended::HeldOthers);
            }
            let seen = self.of.watched.seen(context);
            let from = self.cursor.of(context).map(|(place, held)| seen.complete(*place, held)).min();
            let Some(from) = from.filter(|from| *from < end) else { break };
            let up_to = end.min(Position(from.get() + RANGE_EVENTS));
            let events = self.of.stores.range(context, from, up_to).await?;
            let Some(last) = end_of(&events) else { return Err(Unfit::Changed(context).into()) };
            let plan =
                self.cursor.plan_store(context, last, events.iter().map(|event| (partition_of(event), event.position)));
            self.step(pick(events, &plan.apply), &plan.moves).await?;
        }
        for (place, _) in self.cursor.of(context) {
            self.heard.insert(*place, Instant::now());
        }
        Ok(())
    }

    /// Applies events, moves the checkpoints and tells those who wait.
    async fn step(&mut self, events: Vec<Recorded<RawPayload>>, moves: &Moves) -> Result<(), Ended> {
        if moves.is_empty() {
            return Ok(());
        }
        let target = Target {
            model: self.of.model,
            generations: &[self.generation],
            keys: self.of.keys.as_ref(),
            skips: &self.skips,
        };
        let stepped = step(&self.of.views, target, events, moves).await?;
        self.stepped(stepped, moves)
    }

    /// The same with what other projections took from the same poll.
    async fn write(&mut self, mut events: Vec<Recorded<RawPayload>>, moves: &Moves) -> Result<(), Ended> {
        if moves.is_empty() {
            return Ok(());
        }
        events.retain(|event| !self.skips.contains(&event.event_id));
        let (model, generation, keys) = (self.of.model, self.generation, self.of.keys.clone());
        let stepped = self.of.writer.write(Step { model, generation, keys, events, moves: moves.clone() }).await?;
        self.stepped(stepped, moves)
    }

    fn stepped(&mut self, stepped: Stepped, moves: &Moves) -> Result<(), Ended> {
        let Stepped::Done { parked } = stepped else { return Err(Ended::Lost) };
        self.cursor.advance(moves);
        self.announce(moves.iter().map(|(place, (_, to))| (place, to)), !parked);
        Ok(())
    }

    fn announce<'c>(&self, places: impl Iterator<Item = (&'c Place, &'c Checkpoint)>, whole: bool) {
        for (place, held) in places {
            let (name, context) = (self.of.model.name, place.context.name());
            let at = progress::Place { history: held.history, position: held.position, whole };
            self.of.progress.publish(name, context, place.partition, at);
        }
        self.of.pulse.set(Condition::Following(self.cursor.clone()));
    }

    /// From now on nobody here knows how far the places are: another process may hold them.
    fn withdraw(&self) {
        for (place, _) in self.cursor.places() {
            self.of.progress.withdraw(self.of.model.name, place.context.name(), place.partition);
        }
    }
}

/// The events at these indices, which ascend.
pub(crate) fn pick(events: Vec<Recorded<RawPayload>>, indices: &[usize]) -> Vec<Recorded<RawPayload>> {
    if indices.len() == events.len() {
        return events;
    }
    let mut wanted = indices.iter().copied().peekable();
    events
        .into_iter()
        .enumerate()
        .filter(|(index, _)| wanted.next_if_eq(index).is_some())
        .map(|(_, event)| event)
        .collect()
}

/// The partitions of a projection: those of the topics, or the one that stands for whole stores.
pub(crate) fn partitions_of(model: &ReadModel, share: &[i32]) -> Vec<i32> {
    match model.order {
        Order::Aggregate => share.to_vec(),
        Order::Store => vec![WHOLE_STORE],
    }
}
