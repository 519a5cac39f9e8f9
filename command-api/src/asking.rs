//! What every request has that asks something of an aggregate named in its path.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use event_store::Ask;
use platform::caller::Caller;
use platform::http::{IdempotencyKey, IfMatch, Path, fingerprint};
use platform::problem::Problem;
use platform::token::TokenKey;

use crate::answer;

/// Who asks something of which aggregate, under which key, and for which version.
pub(crate) struct Asking<Id> {
    pub(crate) caller: Caller,
    pub(crate) id: Id,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) expected: Option<IfMatch>,
}

impl<Id: Display> Asking<Id> {
    /// What comes with the command of a POST to the last part of a path, below the aggregate in its collection.
    pub(crate) fn ask(&self, tokens: &TokenKey, collection: &str, last: &str, body: &[u8]) -> Ask {
        let print = || fingerprint(tokens, &Method::POST, &format!("{collection}/{}/{last}", self.id), body);
        let expected = self.expected.as_ref().and_then(|expected| expected.0);
        answer::ask(&self.caller, expected, self.key.as_ref(), print)
    }
}

impl<S: Send + Sync, Id: FromStr<Err: Display> + Send> FromRequestParts<S> for Asking<Id> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let Path(id) = Path::from_request_parts(parts, state).await?;
        let key = Option::from_request_parts(parts, state).await?;
        let expected = Option::from_request_parts(parts, state).await?;
        Ok(Self { caller, id, key, expected })
    }
}
