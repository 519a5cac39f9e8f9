//! Living on the feed: records as they come, a look at the stores when they do not.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use envelope::{Position, Recorded};
use event_schemas::Context;
use event_store::RawPayload;
use platform::progress;
use platform::telemetry::messaging::{self, Processing};
use tokio::sync::mpsc;
use tracing::{Instrument as _, Span};

use super::{Ended, Session};
use crate::checkpoint::{Checkpoint, Moves, Place, Verdict};
use crate::feed::{Incoming, Poll};
use crate::lag::Condition;
use crate::projection::Order;
use crate::step::{Stepped, Target, step};
use crate::stores::Unfit;
use crate::writer::Step;

/// How often silence is looked for.
const TICK: Duration = Duration::from_millis(100);
/// How long what is read in order waits for more.
const GATHER: Duration = Duration::from_millis(25);

impl Session<'_> {
    pub(super) async fn follow(&mut self) -> Result<Infallible, Ended> {
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
                // Before the polls: one partition may be silent while others never are.
                _ = tick.tick() => {
                    self.still_shown()?;
                    self.end_silence().await?;
                }
                poll = polls.recv() => match poll {
                    Some(poll) => self.take(poll, polls).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Somebody may have begun the view anew while nothing happened that would show it.
    fn still_shown(&self) -> Result<(), Ended> {
        let shown = self.of.shown.borrow().get(self.of.model.name).map(|live| live.generation);
        // A lower one is what was seen before this session began.
        if shown.is_some_and(|shown| shown > self.generation) { Err(Ended::Replaced) } else { Ok(()) }
    }

    async fn take(&mut self, poll: Poll, polls: &mut mpsc::Receiver<Poll>) -> Result<(), Ended> {
        match self.of.model.order {
            Order::Aggregate => self.apply_records(&poll).await,
            // The feed only says that there is something: what is read in order comes from the store.
            Order::Store => {
                for (context, newest) in self.gather(&poll, polls).await {
                    self.catch_up_to(context, newest).await?;
                }
                Ok(())
            }
        }
    }

    /// The newest position of each context. Waits a moment for more, unless somebody waits for this view: a range of
    /// the store costs hardly more than one event.
    async fn gather(&self, first: &Poll, polls: &mut mpsc::Receiver<Poll>) -> BTreeMap<Context, Position> {
        let mut newest = BTreeMap::new();
        let mut note = |poll: &Poll| {
            for stamp in poll.iter().map(|record| record.stamp) {
                if self.of.model.contexts.contains(&stamp.place.context) {
                    let known = newest.entry(stamp.place.context).or_insert(stamp.position);
                    *known = stamp.position.max(*known);
                }
            }
        };
        note(first);
        let until = tokio::time::Instant::now() + GATHER;
        let wanted = self.of.progress.wanted(self.of.model.name);
        tokio::pin!(wanted);
        loop {
            tokio::select! {
                biased;
                () = &mut wanted => return newest,
                poll = polls.recv() => match poll {
                    Some(poll) => note(&poll),
                    None => return newest,
                },
                () = tokio::time::sleep_until(until) => return newest,
            }
        }
    }

    async fn apply_records(&mut self, poll: &Poll) -> Result<(), Ended> {
        let mut rest = &poll[..];
        while !rest.is_empty() {
            let plan = self.cursor.plan(rest.iter().map(|record| record.stamp));
            let events = plan.apply.iter().map(|index| rest[*index].event.clone()).collect();
            let span = self.span(plan.apply.iter().map(|index| &rest[*index]));
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
                super::gaps(self.of.model.name).increment(1);
                self.fill_gap(context).await?;
                rest = &rest[index..];
            }
        }
        Ok(())
    }

    /// Whatever a record follows on is in the store, or was.
    async fn fill_gap(&mut self, context: Context) -> Result<(), Ended> {
        let before = self.cursor.clone();
        self.catch_up(context).await?;
        if self.cursor == before { Err(Unfit::Changed(context).into()) } else { Ok(()) }
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

    /// Applies events, moves the checkpoints and tells those who wait.
    pub(super) async fn step(&mut self, events: Vec<Recorded<RawPayload>>, moves: &Moves) -> Result<(), Ended> {
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
        let now = Instant::now();
        self.heard.extend(moves.keys().map(|place| (*place, now)));
        self.announce(moves.iter().map(|(place, (_, to))| (place, to)), !parked);
        Ok(())
    }

    pub(super) fn announce<'c>(&self, places: impl Iterator<Item = (&'c Place, &'c Checkpoint)>, whole: bool) {
        for (place, held) in places {
            let (name, context) = (self.of.model.name, place.context.name());
            let at = progress::Place { history: held.history, position: held.position, whole };
            self.of.progress.publish(name, context, place.partition, at);
        }
        self.of.pulse.set(Condition::Following(self.cursor.clone()));
    }

    /// From now on nobody here knows how far the places are: another process may hold them.
    pub(super) fn withdraw(&self) {
        for (place, _) in self.cursor.places() {
            self.of.progress.withdraw(self.of.model.name, place.context.name(), place.partition);
        }
    }
}
