//! Reading the stores: what the feed lacks, or is late with.

use std::time::Instant;

use envelope::{Position, Recorded};
use event_schemas::Context;
use event_store::RawPayload;

use super::{Ended, Session};
use crate::checkpoint::{Checkpoint, Place};
use crate::silence::{self, Seen};
use crate::stores::{Unfit, end_of, partition_of};

/// A transaction that catches up from a store has at most so many events.
const RANGE_EVENTS: i64 = 5_000;

impl Session<'_> {
    /// Reads the store where the topic is quiet although something is missing.
    pub(super) async fn end_silence(&mut self) -> Result<(), Ended> {
        if platform::faults::planted("silence-ignored") || platform::faults::left_out("silence") {
            return Ok(());
        }
        for context in self.of.model.contexts {
            let waits = self.of.progress.waiting(context.name());
            let seen = self.of.watched.seen(*context);
            let quiet = |place: &Place| self.heard.get(place).is_none_or(|at| silence::is_long(at.elapsed(), waits));
            let strange = |(place, held): (&Place, &Checkpoint)| quiet(place) && seen.is_strange(*place, held);
            if self.cursor.of(*context).any(strange) {
                self.catch_up(*context).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn catch_up_all(&mut self) -> Result<(), Ended> {
        for context in self.of.model.contexts {
            self.catch_up(*context).await?;
        }
        Ok(())
    }

    /// Reads the store up to its end.
    pub(super) async fn catch_up(&mut self, context: Context) -> Result<(), Ended> {
        let head = self.of.stores.head(context).await?;
        if !self.cursor.of(context).all(|(_, held)| held.fits(&head)) {
            return Err(Unfit::Changed(context).into());
        }
        self.catch_up_to(context, head.position).await?;
        let now = Instant::now();
        self.heard.extend(self.cursor.of(context).map(|(place, _)| (*place, now)));
        Ok(())
    }

    /// Reads the store up to a position that it has.
    pub(super) async fn catch_up_to(&mut self, context: Context, end: Position) -> Result<(), Ended> {
        loop {
            if self.of.shutdown.is_cancelled() {
                return Err(Ended::Shutdown);
            }
            if self.of.held.has_changed().unwrap_or(true) {
                return Err(Ended::HeldOthers);
            }
            let seen = self.of.watched.seen(context);
            let from = seen.read_after(&self.cursor, context);
            let Some(from) = from.filter(|from| *from < end) else { return Ok(()) };
            let up_to = end.min(Position(from.get() + RANGE_EVENTS));
            let events = self.read_on(context, from, up_to, &seen).await?;
            let Some(last) = end_of(&events) else { return Err(Unfit::Changed(context).into()) };
            let plan =
                self.cursor.plan_store(context, last, events.iter().map(|event| (partition_of(event), event.position)));
            self.step(pick(events, &plan.apply), &plan.moves).await?;
        }
    }

    /// Reads a piece of the store and makes sure that it is the one from which everything before it was taken: a store
    /// that lost events uses their positions again.
    async fn read_on(
        &self,
        context: Context,
        from: Position,
        up_to: Position,
        seen: &Seen,
    ) -> Result<Vec<Recorded<RawPayload>>, Ended> {
        let known = self.cursor.known(context);
        let events = self.of.stores.range(context, from, up_to, &known).await?;
        if known.contains_key(&from) {
            return Ok(events);
        }
        // Where no checkpoint is, the relay said that nothing is missing. That holds while the store has the checkpoint
        // before, and goes on from where it ended when the relay was asked.
        let before = known.range(..from).next_back().map(|(position, event)| (*position, *event));
        let then = seen.head_event.map(|event| (seen.head, event));
        for (position, event) in before.into_iter().chain(then) {
            if !self.of.stores.has(context, position, event).await? {
                return Err(Unfit::Changed(context).into());
            }
        }
        Ok(events)
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
