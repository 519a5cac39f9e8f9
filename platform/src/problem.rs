//! The one error body of every API here: RFC 9457, with what happened, why, and what to do.

mod explanation;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::{self, Content, RefOr, ResponseBuilder};

use crate::http::context;

pub use explanation::{COMMON, Explanation};

/// The media type of every problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not answered as hoped.
#[derive(Clone, Debug)]
pub struct Problem(Box<Body>);

#[derive(Clone, Debug)]
struct Body {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after_s: Option<u32>,
}

/// One field that was refused, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where: a JSON Pointer into the body (`/total/currency`), or the name of a parameter or header.
    #[schema(example = "/total/currency")]
    pub pointer: String,
    /// What is wrong with it.
    #[schema(example = "a currency is three upper-case letters, such as USD")]
    pub detail: String,
}

/// A problem as it is written.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Names the kind of problem and leads to its explanation.
    #[schema(example = "/problems/bad-field")]
    r#type: String,
    /// The status in words.
    #[schema(example = "Unprocessable Entity")]
    title: &'a str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// The code by which programs tell problems apart; it never changes.
    #[schema(example = "bad-field")]
    code: &'a str,
    /// What happened, why, and what to do.
    detail: &'a str,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/v1/things/7")]
    instance: Option<String>,
    /// By which the request is found in traces and logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    trace_id: Option<String>,
    /// The fields that were refused.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl Problem {
    /// A problem with a code that never changes and a sentence that says what, why and what to do.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        let (code, detail) = (code.into(), detail.into());
        Self(Box::new(Body { status, code, detail, errors: vec![], retry_after_s: None }))
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 400: a parameter or header is not as it must be.
    pub fn bad_parameter(name: &str, why: impl fmt::Display) -> Self {
        Self::bad_request("bad-parameter", format!("`{name}` cannot be used: {why}")).at(name, why)
    }

    /// 422: the body is JSON, but a field is not as it must be.
    pub fn bad_field(pointer: &str, why: impl fmt::Display) -> Self {
        let detail = if pointer.is_empty() {
            format!("the body cannot be used: {why}")
        } else {
            format!("the field `{pointer}` cannot be used: {why}")
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-field", detail).at(pointer, why)
    }

    /// 404: nothing has this id, as far as the caller may know.
    pub fn not_found(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 503: what is needed is away for now.
    pub fn unavailable(code: &'static str, detail: impl Into<Cow<'static, str>>, retry_after_s: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(retry_after_s)
    }

    /// 500: a fault of ours. Logs the reason, once; the caller learns only by which trace it can be found.
    pub fn internal(reason: &dyn fmt::Display) -> Self {
        tracing::error!(%reason, "a request failed for a reason of ours");
        Self::hidden()
    }

    /// The same when the reason was logged already.
    #[must_use]
    pub fn hidden() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something is wrong on our side; give the operator the trace_id, by which the log has the reason",
        )
    }

    /// Adds a field that was refused.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, why: impl fmt::Display) -> Self {
        self.0.errors.push(FieldError { pointer: pointer.into(), detail: why.to_string() });
        self
    }

    /// Says when a repeat may help.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The code by which programs tell problems apart.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The sentence for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// As it is written, also as one line of a batch answer.
    #[must_use]
    pub fn body(&self) -> ProblemBody<'_> {
        let request = context::current();
        ProblemBody {
            r#type: format!("/problems/{}", self.0.code),
            title: self.0.status.canonical_reason().unwrap_or("Problem"),
            status: self.0.status.as_u16(),
            code: &self.0.code,
            detail: &self.0.detail,
            instance: request.as_ref().map(|request| request.path.clone()),
            trace_id: request.map(|request| request.trace_id()),
            errors: &self.0.errors,
        }
    }
}

/// The answer of every operation that fails.
impl utoipa::IntoResponses for Problem {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let content = Content::new(Some(openapi::Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new()
            .description("What went wrong, why, and what to do.")
            .content(MEDIA_TYPE, content)
            .build();
        BTreeMap::from([("default".to_owned(), RefOr::T(response))])
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.0.status.as_u16(), self.0.code, self.0.detail)
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.0.status, Json(self.body())).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = self.0.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
