//! A product as it is answered, and as of where it is known.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use platform::http::{IfNoneMatch, etag};
use platform::token::ConsistencyToken;
use serde::de::IgnoredAny;
use uuid::Uuid;

use super::CONTEXT;

/// What stands before the text where processes share it: position and version.
const HEAD_BYTES: usize = 16;

/// A product as it is answered.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) version: i64,
    pub(crate) body: Bytes,
    tag: HeaderValue,
}

/// From where rows and changes come: of another source, positions or rows mean something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) history: Uuid,
    /// Of the audit log and of the products.
    pub(crate) generations: (i32, i32),
}

/// A place in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AsOf {
    pub(crate) source: Source,
    pub(crate) position: i64,
}

impl Known {
    pub(crate) fn new(version: i64, body: Bytes) -> Self {
        Self { version, body, tag: etag(version) }
    }

    /// With its version; nothing but 304 if the caller has that.
    pub(crate) fn answer(&self, held: &IfNoneMatch) -> Response {
        let mut response = if held.has(&self.tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], self.body.clone()).into_response()
        };
        response.headers_mut().insert(ETAG, self.tag.clone());
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }

    /// As processes share it: nothing of it is lacking up to this position.
    pub(super) fn shared(&self, position: i64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.body.len());
        bytes.extend_from_slice(&position.to_be_bytes());
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// What [`Known::shared`] made, with the position; `None` for anything else.
    pub(super) fn read(bytes: &Bytes) -> Option<(i64, Self)> {
        let (position, rest) = bytes.split_first_chunk::<8>()?;
        let (version, body) = rest.split_first_chunk::<8>()?;
        serde_json::from_slice::<IgnoredAny>(body).ok()?;
        let known = Self::new(i64::from_be_bytes(*version), bytes.slice(HEAD_BYTES..));
        Some((i64::from_be_bytes(*position), known))
    }
}

impl AsOf {
    /// Whether everything that the token tells of is done.
    pub(super) fn covers(self, token: &ConsistencyToken) -> bool {
        let mut told = token.touched.iter().filter(|((context, _), _)| context == CONTEXT);
        told.all(|(_, (history, position))| history.0 == self.source.history && position.get() <= self.position)
    }
}
