//! The one layer around all routes: names and traces each request, bounds it in time, catches panics, and measures.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, HttpBody as _};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tracing::{Instrument as _, Span, info_span};

use super::context;
use super::durations::Durations;
use crate::clock;
use crate::problem::Problem;
use crate::telemetry;

/// How long a body may be unless the settings say otherwise.
pub const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// What bounds every request.
#[derive(Clone, Copy, Debug)]
pub struct EdgeSettings {
    /// After this time the answer is 503.
    pub timeout: Duration,
    /// A longer body is refused with 413.
    pub body_bytes_max: usize,
}

/// What a route tells whose body was too long.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyBytesMax(pub(super) usize);

impl Default for EdgeSettings {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), body_bytes_max: BODY_BYTES_MAX }
    }
}

/// Puts the layer around a finished router, with answers for what is not there.
pub fn edge(router: Router, settings: EdgeSettings) -> Router {
    let durations = Arc::new(Durations::default());
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(settings.body_bytes_max))
        .layer(from_fn(move |request: Request, next: Next| answer(settings, durations.clone(), request, next)))
}

async fn answer(settings: EdgeSettings, durations: Arc<Durations>, mut request: Request, next: Next) -> Response {
    let begun = clock::monotonic();
    let known = Arc::new(context::Request {
        method: method_name(request.method()),
        route: request.extensions().get::<MatchedPath>().cloned(),
        ..context::Request::read(request.headers(), request.uri().path())
    });
    let span = span(&known);
    if !request.body().is_end_stream() {
        request.extensions_mut().insert(BodyBytesMax(settings.body_bytes_max));
    }
    let work = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span);
    let outcome = context::within(known.clone(), async {
        match in_time(settings.timeout, work).await {
            Ok(Ok(response)) => response,
            // The hook for panics has logged message and place already.
            Ok(Err(_)) => Problem::hidden().into_response(),
            Err(_) => too_slow().into_response(),
        }
    });
    let mut response = outcome.await;
    durations.record(&known, response.status(), begun.elapsed());
    let id = Arc::try_unwrap(known).map_or_else(|shared| shared.id.clone(), |known| known.id);
    if let Ok(id) = HeaderValue::from_maybe_shared(Bytes::from(id)) {
        response.headers_mut().insert(context::REQUEST_ID, id);
    }
    response
}

/// Most of what lies in memory is answered at once; only for what is not a timer is set.
async fn in_time<F: Future>(limit: Duration, work: F) -> Result<F::Output, Elapsed> {
    let mut work = pin!(work);
    match futures::poll!(work.as_mut()) {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => timeout(limit, work).await,
    }
}

/// Where nobody sees a span, none is made for each request: log lines name the request by themselves.
fn span(known: &context::Request) -> Span {
    if !telemetry::exports_traces() {
        return Span::none();
    }
    let (method, route) = (known.method, known.route_name());
    let span = info_span!("request", otel.kind = "server", http.request.method = method, http.route = route);
    known.trace.adopt(&span);
    span
}

/// Only methods with a name of their own may become a label.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

fn too_slow() -> Problem {
    let detail = "the request took too long and was given up; a change may still have happened: \
                  repeat it with the same Idempotency-Key to find out";
    Problem::unavailable("timeout", detail, 1)
}

async fn not_found(request: Request) -> Problem {
    let detail = format!("there is nothing at {}; /docs shows what there is", request.uri().path());
    Problem::not_found("no-such-route", detail)
}

async fn method_not_allowed(request: Request) -> Response {
    let detail = format!(
        "{} is not possible at {}; the header Allow and /docs say what is",
        request.method(),
        request.uri().path()
    );
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail).into_response();
    // axum fills the header in after this handler; an empty one would stop it.
    response.headers_mut().remove(ALLOW);
    response
}

#[cfg(test)]
mod tests;
