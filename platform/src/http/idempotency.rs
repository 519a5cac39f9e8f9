//! `Idempotency-Key`: a name that the caller gives to one request, so that a repeat does not do it twice.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::HeaderName;
use axum::http::request::Parts;
use uuid::{Uuid, Version};

use crate::caller::Caller;
use crate::problem::Problem;

/// Marks the stored answer to an earlier request with the same key.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

const HEADER: &str = "idempotency-key";
const SHOWN: &str = "Idempotency-Key";
const CHARS_MAX: usize = 255;

/// A key as a structured-field string (`"…"`) or bare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of one line of a request.
    #[must_use]
    pub fn line(&self, number: usize) -> Self {
        Self(format!("{}#{number}", self.0))
    }

    fn read(parts: &Parts, caller: &Caller) -> Result<Option<Self>, Problem> {
        let mut values = parts.headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let bad = |why| Problem::bad_parameter(SHOWN, why);
        if values.next().is_some() {
            return Err(bad("it may be given once"));
        }
        let text = value.to_str().map_err(|_| bad("it is not plain ASCII"))?.trim();
        let key = match text.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"').ok_or_else(|| bad("its quotation mark is not closed"))?,
            None => text,
        };
        let plain = key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        if key.is_empty() || key.len() > CHARS_MAX || !plain {
            return Err(bad(
                "it has 1 to 255 printable ASCII characters without blanks, quotation marks and backslashes",
            ));
        }
        let random = || Uuid::try_parse(key).is_ok_and(|id| id.get_version() == Some(Version::Random));
        if caller.is_anonymous() && !random() {
            return Err(bad("without Handsel-Caller it must be a random UUID (version 4), which nobody can guess"));
        }
        Ok(Some(Self(key.to_owned())))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        Self::read(parts, &caller)?.ok_or_else(|| {
            let why = "it is required here: send a new random UUID with each new request, the same one when repeating";
            Problem::bad_request("idempotency-key-missing", format!("`{SHOWN}` is missing: {why}")).at(SHOWN, why)
        })
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        Self::read(parts, &caller)
    }
}

#[cfg(test)]
mod tests;
