//! Commands over several aggregates of one store: all of them or none, at the cost of one.

use cqrs_es::Aggregate;

use crate::appender::Rejection;
use crate::appender::decision::{GuardStep, Step};
use crate::commands::submit;
use crate::{Ask, Commands, Done, Refused, Store, StoreError};

/// Collects steps and guards; [`Transact::execute`] decides them in one batch. A later step on the same aggregate sees
/// what an earlier one did. A refusal of any part refuses the whole.
///
/// `E` is what the rules of all aggregates involved turn into.
pub struct Transact<E> {
    store: Store,
    steps: Vec<Part<E>>,
}

/// What a rule said, before its type is known again.
type Untyped = Box<dyn std::any::Any + Send>;

struct Part<E> {
    step: Box<dyn Step>,
    typed: fn(Untyped) -> Result<E, Untyped>,
}

impl<E: 'static> Transact<E> {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, steps: Vec::new() }
    }

    /// Adds a command on one aggregate.
    #[must_use]
    pub fn ask<A>(self, commands: &Commands<A>, id: &str, command: A::Command) -> Self
    where
        A: Aggregate + Clone + 'static,
        A::Command: Clone + Send + Sync + 'static,
        A::Error: Into<E> + Send + 'static,
    {
        let step = commands.step(id, command, None);
        self.part::<A>(Box::new(step))
    }

    /// Adds a condition on an aggregate that is not changed: it holds at the moment of the commit.
    #[must_use]
    pub fn guard<A>(
        self,
        commands: &Commands<A>,
        id: &str,
        check: impl Fn(&A) -> Result<(), A::Error> + Send + Sync + 'static,
    ) -> Self
    where
        A: Aggregate + Clone + 'static,
        A::Command: Clone + Send + Sync + 'static,
        A::Error: Into<E> + Send + 'static,
    {
        let step = GuardStep { stream: commands.stream(id), expected: None, check: Box::new(check) };
        self.part::<A>(Box::new(step))
    }

    fn part<A: Aggregate>(mut self, step: Box<dyn Step>) -> Self
    where
        A::Error: Into<E> + 'static,
    {
        self.steps.push(Part { step, typed: |error| error.downcast::<A::Error>().map(|error| (*error).into()) });
        self
    }

    /// Decides and appends everything, or nothing. The answer names the first aggregate asked.
    ///
    /// # Errors
    /// As [`Commands::execute`]. [`StoreError::WhoseVersion`] if `ask` expects one.
    pub async fn execute(self, ask: Ask) -> Result<Done, Refused<E>> {
        let Self { store, steps } = self;
        if ask.expected_version.is_some() {
            return Err(Refused::Broken(StoreError::WhoseVersion));
        }
        if steps.is_empty() {
            return Err(Refused::Broken(StoreError::Empty));
        }
        let (steps, typed): (Vec<_>, Vec<_>) = steps.into_iter().map(|part| (part.step, part.typed)).unzip();
        match submit(&store, steps, &ask.cause, ask.key).await {
            Err(Rejection::Rule(mut error)) => {
                for typed in typed {
                    match typed(error) {
                        Ok(error) => return Err(Refused::Rule(error)),
                        Err(other) => error = other,
                    }
                }
                Err(Refused::Broken(StoreError::Closed))
            }
            answer => answer.map_err(Refused::from_rejection),
        }
    }
}
