//! Names the form of an aggregate's state, so that a stored copy of another form is never taken for this one.

use cqrs_es::Aggregate;
use schemars::JsonSchema;

/// An aggregate whose state may be stored beside its events, to be read faster.
pub trait Folded: Aggregate + JsonSchema {
    /// Raised whenever `evolve` makes another state of the same events. A golden stream in the tests notices.
    const FOLD: u32;
}

/// Changes when the state has another form or the same events make another state.
#[must_use]
pub fn shape<A: Folded>() -> String {
    let schema = schemars::schema_for!(A);
    format!("{}/{}/{}", A::TYPE, A::FOLD, serde_json::json!(schema))
}
