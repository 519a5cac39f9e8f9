//! Versions as strong ETags: `"3"` is the third event of an aggregate.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};

use crate::problem::Problem;

/// The version that the caller has seen, or that any will do (`*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfMatch(pub Option<i64>);

/// The representations that the caller has already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IfNoneMatch(Vec<String>);

/// The tag of a version.
#[must_use]
pub fn etag(version: i64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

impl IfMatch {
    fn read(parts: &Parts) -> Result<Option<Self>, Problem> {
        let mut values = parts.headers.get_all(IF_MATCH).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let bad = || Problem::bad_parameter("If-Match", "it is one ETag as an answer gave it, such as \"3\", or *");
        let text = value.to_str().map_err(|_| bad())?.trim();
        if values.next().is_some() {
            return Err(bad());
        }
        if text == "*" {
            return Ok(Some(Self(None)));
        }
        let digits = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(bad)?;
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let version = plain.then(|| digits.parse().ok()).flatten().ok_or_else(bad)?;
        Ok(Some(Self(Some(version))))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::read(parts)?.ok_or_else(|| {
            let why = "it is required here: send the ETag of the version that the change was made for, such as \"3\"";
            let detail = format!("`If-Match` is missing: {why}");
            Problem::new(StatusCode::PRECONDITION_REQUIRED, "if-match-missing", detail).at("If-Match", why)
        })
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Self::read(parts)
    }
}

impl IfNoneMatch {
    /// Whether the caller has what carries this tag.
    #[must_use]
    pub fn has(&self, tag: &HeaderValue) -> bool {
        let tag = tag.to_str().unwrap_or_default();
        self.0.iter().any(|held| held == "*" || held.strip_prefix("W/").unwrap_or(held) == tag)
    }
}

/// What cannot be read matches nothing, as RFC 9110 has it: the answer is then sent whole.
impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let values = parts.headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        Ok(Self(values.flat_map(|value| value.split(',')).map(|tag| tag.trim().to_owned()).collect()))
    }
}

#[cfg(test)]
mod tests;
