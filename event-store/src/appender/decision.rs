//! A command on its way: what it wants to decide, who waits for it, and what came of it.

use std::any::Any;
use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use futures::FutureExt as _;
use tokio::sync::oneshot;

use crate::chain::Chain;
use crate::codec::{Codec, Held, Kind, NewEvent, State};
use crate::{Done, IdempotencyKey, StoreError};

/// Names one aggregate in a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamId {
    pub(crate) aggregate_type: &'static str,
    pub(crate) aggregate_id: Arc<str>,
}

/// The same as the hash of the two names, which is how the cache looks up a stream by reference.
impl Hash for StreamId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.aggregate_type, &*self.aggregate_id).hash(state);
    }
}

/// An aggregate and how to read it.
#[derive(Clone)]
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) kind: Arc<dyn Kind>,
}

/// Why a command was not accepted; typed again where its caller waits.
#[derive(Debug)]
pub(crate) enum Rejection {
    Rule(Box<dyn Any + Send>),
    Conflict { expected: i64, actual: i64 },
    KeyReused,
    Overloaded,
    Unavailable { sent: bool },
    Broken(StoreError),
}

/// Aggregates that cannot be read, and why.
pub(crate) type Broken = HashMap<StreamId, StoreError>;

pub(crate) type Answer = Result<Done, Rejection>;

/// What a step made of a state: the next one and the events between them. `None`: nothing to do.
pub(crate) type Change = Option<(Box<dyn State>, Vec<NewEvent>)>;

/// One aggregate's part in a command. Run again on a newer state when another process was first.
pub(crate) trait Step: Send + Sync {
    fn stream(&self) -> &Stream;
    fn expected_version(&self) -> Option<i64>;
    fn run(&self, state: &dyn State) -> Result<Change, Rejection>;
}

/// A command waiting for its answer.
pub(crate) struct Submission {
    pub(crate) steps: Vec<Box<dyn Step>>,
    pub(crate) key: Option<IdempotencyKey>,
    /// The metadata of its events, as JSON.
    pub(crate) metadata: Arc<str>,
    pub(crate) deadline: Instant,
    /// It was in a batch whose outcome nobody knows.
    pub(crate) sent: bool,
    /// What it will be answered if one of these batches, named by the chain at their end, turns out to be committed.
    pub(crate) sent_as: Vec<(Chain, Done)>,
    pub(crate) answer: oneshot::Sender<Answer>,
}

impl Submission {
    /// Each aggregate once.
    pub(crate) fn streams(&self) -> BTreeSet<&StreamId> {
        self.steps.iter().map(|step| &step.stream().id).collect()
    }

    /// Why it cannot be decided, if one of its aggregates is among those that cannot be read.
    pub(crate) fn broken_by(&self, broken: &Broken) -> Option<StoreError> {
        self.steps.iter().find_map(|step| broken.get(&step.stream().id)).cloned()
    }

    pub(crate) fn answer(self, answer: Answer) {
        // Whoever asked may have gone away; what was decided stays decided.
        let _ = self.answer.send(answer);
    }
}

/// A command for an aggregate `A`.
pub(crate) struct CommandStep<A: Aggregate> {
    pub(crate) stream: Stream,
    pub(crate) command: A::Command,
    pub(crate) expected: Option<i64>,
    pub(crate) services: Arc<A::Services>,
    pub(crate) codec: Arc<Codec<A>>,
}

impl<A> Step for CommandStep<A>
where
    A: Aggregate + Clone + 'static,
    A::Command: Clone + Send + Sync + 'static,
    A::Error: Send + 'static,
{
    fn stream(&self) -> &Stream {
        &self.stream
    }

    fn expected_version(&self) -> Option<i64> {
        self.expected
    }

    fn run(&self, state: &dyn State) -> Result<Change, Rejection> {
        let held = held::<A>(state)?;
        // `handle` changes the state even when it then refuses, so it gets one to spoil.
        let mut scratch = held.aggregate.clone();
        let sink = EventSink::default();
        at_once(scratch.handle(self.command.clone(), &self.services, &sink))?
            .map_err(|error| Rejection::Rule(Box::new(error)))?;
        let events = at_once(sink.collect())?;
        if events.is_empty() {
            return Ok(None);
        }
        let mut next = state.boxed_clone();
        let aggregate = &mut held_mut::<A>(next.as_mut())?.aggregate;
        let mut new = Vec::with_capacity(events.len());
        for event in events {
            new.push(self.codec.encode(&event).map_err(Rejection::Broken)?);
            aggregate.apply(event);
        }
        Ok(Some((next, new)))
    }
}

/// What a guard says of an aggregate that it does not change.
pub(crate) type GuardCheck<A> = dyn Fn(&A) -> Result<(), <A as Aggregate>::Error> + Send + Sync;

/// A condition on an aggregate that is not written.
pub(crate) struct GuardStep<A: Aggregate> {
    pub(crate) stream: Stream,
    pub(crate) expected: Option<i64>,
    pub(crate) check: Box<GuardCheck<A>>,
}

impl<A> Step for GuardStep<A>
where
    A: Aggregate + Clone + 'static,
    A::Error: Send + 'static,
{
    fn stream(&self) -> &Stream {
        &self.stream
    }

    fn expected_version(&self) -> Option<i64> {
        self.expected
    }

    fn run(&self, state: &dyn State) -> Result<Change, Rejection> {
        (self.check)(&held::<A>(state)?.aggregate).map_err(|error| Rejection::Rule(Box::new(error)))?;
        Ok(None)
    }
}

/// Events that somebody else decided on a version that he names: the way in for `cqrs_es::EventStore::commit`.
pub(crate) struct EventsStep<A: Aggregate> {
    pub(crate) stream: Stream,
    pub(crate) expected: i64,
    pub(crate) events: Vec<A::Event>,
    pub(crate) codec: Arc<Codec<A>>,
}

impl<A: Aggregate + Clone + 'static> Step for EventsStep<A> {
    fn stream(&self) -> &Stream {
        &self.stream
    }

    fn expected_version(&self) -> Option<i64> {
        Some(self.expected)
    }

    fn run(&self, state: &dyn State) -> Result<Change, Rejection> {
        let mut next = state.boxed_clone();
        let aggregate = &mut held_mut::<A>(next.as_mut())?.aggregate;
        let mut new = Vec::with_capacity(self.events.len());
        for event in &self.events {
            new.push(self.codec.encode(event).map_err(Rejection::Broken)?);
            aggregate.apply(event.clone());
        }
        Ok(if new.is_empty() { None } else { Some((next, new)) })
    }
}

fn held<A: Aggregate + 'static>(state: &dyn State) -> Result<&Held<A>, Rejection> {
    state.as_any().downcast_ref().ok_or_else(two_types::<A>)
}

fn held_mut<A: Aggregate + 'static>(state: &mut dyn State) -> Result<&mut Held<A>, Rejection> {
    state.as_any_mut().downcast_mut().ok_or_else(two_types::<A>)
}

fn two_types<A: Aggregate>() -> Rejection {
    Rejection::Broken(StoreError::Damaged {
        position: envelope::Position::ZERO,
        reason: format!("two aggregate types are called `{}`", A::TYPE),
    })
}

/// Runs what must not wait. Tokio's budget is lifted, because an uncontended lock would wait when it is used up.
fn at_once<T>(future: impl Future<Output = T>) -> Result<T, Rejection> {
    tokio::task::unconstrained(future).now_or_never().ok_or(Rejection::Broken(StoreError::HandleWaited))
}
