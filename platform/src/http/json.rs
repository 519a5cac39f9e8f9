//! Bodies: JSON of a known shape, or a problem that names the field.

mod objects;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_path_to_error::{Path, Segment};

use self::objects::Objects;
use super::edge::BodyBytesMax;
use crate::problem::Problem;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// A JSON body of a known shape; also an answer.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// The same with the bytes it was read from, for the fingerprint of the request.
#[derive(Clone, Debug)]
pub struct RawJson<T> {
    /// What it says.
    pub value: T,
    /// As it came.
    pub bytes: Bytes,
}

/// A change in the form of RFC 7396: `application/merge-patch+json`. What is absent stays, so each field is an `Option`
/// with `#[serde(default)]`; one that cannot be removed is read by [`not_null`].
#[derive(Clone, Debug)]
pub struct MergePatch<T> {
    /// What it says.
    pub value: T,
    /// As it came.
    pub bytes: Bytes,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        RawJson::from_request(request, state).await.map(|body| Self(body.value))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for RawJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        expect_type(request.headers(), JSON)?;
        let bytes = read(request, state).await?;
        Ok(Self { value: parse(&bytes)?, bytes })
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for MergePatch<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        expect_type(request.headers(), MERGE_PATCH)?;
        let bytes = read(request, state).await?;
        Ok(Self { value: parse(&bytes)?, bytes })
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn expect_type(headers: &HeaderMap, wanted: &'static str) -> Result<(), Problem> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    let why = format!("this takes {wanted}");
    let detail = format!("the body has the wrong type: send it with `Content-Type: {wanted}`");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong-content-type", detail).at("Content-Type", why))
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let max = request.extensions().get::<BodyBytesMax>().copied();
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let than = max.map_or_else(|| "it may be".to_owned(), |BodyBytesMax(max)| format!("{max} bytes"));
            let detail = format!("the body is longer than {than}; split it into several requests");
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail).at("", "too long");
        }
        Problem::bad_request("body-unreadable", "the body did not arrive whole; send it again").at("", "cut off")
    })
}

/// Reads JSON. Fast while it is right; what is wrong is read a second time to learn where.
///
/// # Errors
/// A problem that points at the field.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if let Some(kind) = other_than_object(bytes) {
        return Err(Problem::bad_field("", format!("it is {kind}, not a JSON object")));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = T::deserialize(Objects(&mut reader)).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| explain::<T>(bytes, &error))
}

/// A field of a patch that may be absent but not removed: `null` is refused like any other wrong type.
///
/// # Errors
/// What the type says about the value.
pub fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(reader: D) -> Result<Option<T>, D::Error> {
    T::deserialize(reader).map(Some)
}

/// What the body begins like, if that is JSON but no object.
fn other_than_object(bytes: &[u8]) -> Option<&'static str> {
    let body = bytes.trim_ascii_start();
    match body.first()? {
        b'[' => Some("an array"),
        b'"' => Some("a string"),
        b'-' | b'0'..=b'9' => Some("a number"),
        b't' | b'f' | b'n' if matches!(body.trim_ascii_end(), b"true" | b"false" | b"null") => Some("a literal"),
        _ => None,
    }
}

fn explain<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> Problem {
    if bytes.is_empty() {
        return Problem::bad_request("bad-json", "the body is empty; send a JSON object").at("", "empty");
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        let why = format!("not UTF-8 from byte {} on", error.valid_up_to());
        return Problem::bad_request("bad-json", format!("the body is {why}; encode it as UTF-8")).at("", why);
    }
    let why = error.to_string();
    let unfinished = error.is_syntax() || error.is_eof();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let located = serde_path_to_error::deserialize::<_, T>(Objects(&mut reader)).err();
    let pointer = located.map(|error| pointer(error.path(), &why)).unwrap_or_default();
    if unfinished && !why.starts_with("number out of range") {
        return Problem::bad_request("bad-json", format!("the body is not JSON: {why}; mend it there"))
            .at(pointer, why);
    }
    Problem::bad_field(&pointer, why)
}

/// The path as a JSON Pointer (RFC 6901). A missing field is reported at its parent; we point at the field.
fn pointer(path: &Path, why: &str) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&escaped(key)),
            Segment::Enum { variant } => pointer.push_str(&escaped(variant)),
            Segment::Unknown => {}
        }
    }
    for lead in ["missing field `", "unknown field `", "duplicate field `"] {
        let name = why.strip_prefix(lead).and_then(|rest| rest.split('`').next());
        if let Some(name) = name.map(escaped).filter(|name| !pointer.ends_with(name)) {
            pointer.push_str(&name);
        }
    }
    pointer
}

/// One step of a pointer.
fn escaped(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests;
