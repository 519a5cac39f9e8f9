//! How the batcher decides one command: every step on the newest state, all of it or nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use envelope::Timestamp;
use platform::faults;

use super::batch::{Decided, Outcome, SnapshotRow};
use super::batcher::Batcher;
use super::decision::{Change, Rejection, Step, StreamId, Submission};
use super::rows::{EventRow, Names};
use crate::chain;
use crate::codec::{Kind, NewEvent, State};
use crate::{Done, StoreError};

/// Above this an event could be stored but not published.
pub(crate) const EVENT_BYTES_MAX: usize = 512 * 1024;

/// What a command has made of one aggregate so far.
struct Draft {
    id: StreamId,
    kind: Arc<dyn Kind>,
    state: Box<dyn State>,
    events: Vec<NewEvent>,
}

impl Batcher {
    /// Every aggregate that the command names is in the cache.
    pub(super) fn decide(&mut self, submission: Submission, now: Timestamp) -> Decided {
        let mut decided = Decided {
            submission,
            outcome: Outcome::Refused(Rejection::Overloaded),
            events: vec![],
            snapshots: vec![],
            written: vec![],
            presumed: None,
        };
        decided.outcome = match self.draft(&decided.submission) {
            Err(rejection) => Outcome::Refused(rejection),
            Ok(drafts) if drafts.is_empty() => Outcome::Nothing(self.done(&decided, false)),
            Ok(drafts) => {
                let first = &decided.submission.steps[0].stream().id;
                let created = self.cache.get(first).is_some_and(|entry| entry.sequence == 0);
                self.place(drafts, &mut decided, now);
                Outcome::Accepted(self.done(&decided, created))
            }
        };
        decided
    }

    /// Whether the aggregate of a command is new by all appearances. Commands over several are always looked up.
    pub(super) fn presumes_new(&self, submission: &Submission) -> bool {
        let [step] = submission.steps.as_slice() else { return false };
        let id = &step.stream().id;
        self.novelty.presumes(id.aggregate_type) && !self.is_awaited(id)
    }

    /// Decides a command without looking its aggregate up, if that begins it. Everything else waits for the look-up:
    /// what is refused on nothing may well be right for what is there.
    pub(super) fn presume(&mut self, submission: Submission, now: Timestamp) {
        let stream = submission.steps[0].stream().clone();
        let empty = Arc::clone(&stream.kind).empty();
        self.cache.insert(stream.id.clone(), 0, envelope::Position::ZERO, empty);
        let mut decided = self.decide(submission, now);
        if matches!(decided.outcome, Outcome::Accepted(_)) {
            decided.presumed = Some(stream.id);
            self.decided.push_back(decided);
        } else {
            self.cache.remove(&stream.id);
            self.arriving.push_back(decided.submission);
        }
    }

    /// Somebody waits for this aggregate to be read, and would not be called if it came into the cache otherwise.
    fn is_awaited(&self, id: &StreamId) -> bool {
        let mut awaited = self.arriving.iter().flat_map(|submission| &submission.steps);
        self.loading.contains_key(id) || awaited.any(|step| step.stream().id == *id)
    }

    fn draft(&mut self, submission: &Submission) -> Result<Vec<Draft>, Rejection> {
        let mut drafts: Vec<Draft> = Vec::new();
        for step in &submission.steps {
            let stream = step.stream();
            let drafted = drafts.iter().position(|draft| draft.id == stream.id);
            let entry = self.cache.get(&stream.id).ok_or(Rejection::Overloaded)?;
            let (state, queued) = match drafted {
                Some(at) => (&drafts[at].state, drafts[at].events.len()),
                None => (&entry.state, 0),
            };
            let actual = entry.sequence + i64::try_from(queued).unwrap_or(i64::MAX);
            if let Some(expected) = step
                .expected_version()
                .filter(|expected| *expected != actual && !faults::planted("version-not-compared"))
            {
                return Err(Rejection::Conflict { expected, actual });
            }
            let Some((state, mut events)) = run(step.as_ref(), state.as_ref())? else { continue };
            check_sizes(&events, submission.metadata.len())?;
            match drafted {
                Some(at) => {
                    drafts[at].state = state;
                    drafts[at].events.append(&mut events);
                }
                None => drafts.push(Draft { id: stream.id.clone(), kind: stream.kind.clone(), state, events }),
            }
        }
        Ok(drafts)
    }

    /// Gives the drafted events their places after the newest decided one.
    fn place(&mut self, drafts: Vec<Draft>, decided: &mut Decided, now: Timestamp) {
        let mut names = Names::default();
        for Draft { id, kind, state, events } in drafts {
            let Some(entry) = self.cache.get(&id) else { continue };
            let before = entry.sequence;
            let aggregate_type: Arc<str> = names.share(id.aggregate_type);
            for event in events {
                let mut row = EventRow {
                    position: self.tip.position.next(),
                    aggregate_type: aggregate_type.clone(),
                    aggregate_id: id.aggregate_id.clone(),
                    sequence: entry.sequence + 1,
                    event_id: event.event_id,
                    event_type: names.share(&event.event_type),
                    event_version: names.share(&event.event_version),
                    payload: event.payload,
                    metadata: decided.submission.metadata.clone(),
                    recorded_at: now.max(self.tip.recorded_at),
                    chain: [0; 32],
                };
                if faults::planted("clock-goes-back") {
                    row.recorded_at = now;
                }
                row.chain = chain::after(&self.tip.chain, &row.link());
                if faults::planted("chain-not-linked") {
                    row.chain = chain::after(&[0; 32], &row.link());
                }
                self.tip = super::batch::Tip::of(&row);
                entry.sequence = row.sequence;
                entry.last_position = row.position;
                decided.events.push(row);
            }
            decided.snapshots.extend(snapshot(kind.as_ref(), &id, before, state.as_ref(), &self.tip, entry.sequence));
            entry.state = state;
            entry.queued += 1;
            decided.written.push(id);
        }
    }

    /// The answer as it will be given when the batch is committed.
    fn done(&mut self, decided: &Decided, created: bool) -> Done {
        let steps = &decided.submission.steps;
        let mut touched: Vec<(i32, envelope::Position)> = Vec::with_capacity(1);
        for id in decided.submission.streams() {
            let partition = platform::kafka::partition_of(&id.aggregate_id, self.limits.partitions);
            let position = self.cache.get(id).map(|entry| entry.last_position).unwrap_or_default();
            match touched.iter_mut().find(|(known, _)| *known == partition) {
                Some((_, known)) => *known = position.max(*known),
                None => touched.push((partition, position)),
            }
        }
        let first = &steps[0].stream().id;
        Done {
            aggregate_id: first.aggregate_id.to_string(),
            version: self.cache.get(first).map_or(0, |entry| entry.sequence),
            events: decided.events.iter().map(|event| event.event_id).collect(),
            created,
            touched,
            history: self.limits.history,
            recorded_at: decided.events.last().map(|event| event.recorded_at),
            replayed: false,
        }
    }
}

/// A rule that panics refuses its command; the states of others are not touched, because it works on a copy.
fn run(step: &dyn Step, state: &dyn State) -> Result<Change, Rejection> {
    catch_unwind(AssertUnwindSafe(|| step.run(state))).unwrap_or(Err(Rejection::Broken(StoreError::Panicked)))
}

fn check_sizes(events: &[NewEvent], metadata_bytes: usize) -> Result<(), Rejection> {
    match events.iter().map(|event| event.payload.len() + metadata_bytes).find(|bytes| *bytes > EVENT_BYTES_MAX) {
        Some(bytes) => Err(Rejection::Broken(StoreError::TooLarge { bytes, max: EVENT_BYTES_MAX })),
        None => Ok(()),
    }
}

/// A snapshot whenever the aggregate passes a multiple of the policy's number of events.
fn snapshot(
    kind: &dyn Kind,
    id: &StreamId,
    before: i64,
    state: &dyn State,
    tip: &super::batch::Tip,
    sequence: i64,
) -> Option<SnapshotRow> {
    let policy = kind.snapshots()?;
    if before / policy.every_events == sequence / policy.every_events {
        return None;
    }
    Some(SnapshotRow {
        aggregate_type: id.aggregate_type,
        aggregate_id: id.aggregate_id.to_string(),
        sequence: sequence - i64::from(faults::planted("snapshot-off-by-one")),
        event_id: tip.event_id,
        shape: policy.shape.clone(),
        state: state.to_snapshot()?,
    })
}
