//! What holds for every aggregate, whatever is asked of it and whatever happened.

use cqrs_es::Aggregate;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::fmt::Debug;

/// An aggregate as the properties see it.
pub(crate) trait Decides: Aggregate<Command: Clone, Event: Clone, Error: PartialEq> + Debug + PartialEq {
    /// Its `decide`.
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Error>;
}

/// Carries a command out as the store does: nothing changes if it is refused.
pub(crate) fn carry_out<A: Decides>(state: &mut A, command: A::Command) -> Result<Vec<A::Event>, A::Error> {
    let events = state.decide(command)?;
    events.iter().cloned().for_each(|event| state.apply(event));
    Ok(events)
}

/// Whatever was asked before, a command that was accepted adds nothing when it is asked again.
pub(crate) fn a_repeat_adds_nothing<A: Decides>(
    before: Vec<A::Command>,
    command: A::Command,
) -> Result<(), TestCaseError> {
    let mut state = A::default();
    for earlier in before {
        carry_out(&mut state, earlier).ok();
    }
    if carry_out(&mut state, command.clone()).is_ok() {
        prop_assert_eq!(carry_out(&mut state, command), Ok(vec![]));
    }
    Ok(())
}

/// Events may come in any order, and after each the state is the same when it was stored and read again.
pub(crate) fn any_event_is_taken_and_stored<A: Decides>(
    events: impl Iterator<Item = A::Event>,
) -> Result<(), TestCaseError> {
    let mut state = A::default();
    for event in events {
        state.apply(event);
        let stored = serde_json::to_string(&state)?;
        prop_assert_eq!(&serde_json::from_str::<A>(&stored)?, &state);
    }
    Ok(())
}
