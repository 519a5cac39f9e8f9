//! What is known of the request that this task answers: problems, causes and log lines name it.

use std::sync::Arc;

use axum::extract::MatchedPath;
use axum::http::HeaderMap;
use envelope::Cause;
use uuid::Uuid;

use crate::traceparent::TraceParent;

/// The header in which a request is named by whoever sent it.
pub const REQUEST_ID: &str = "x-request-id";

const REQUEST_ID_CHARS_MAX: usize = 128;
const TRACEPARENT: &str = "traceparent";
/// Stands for all paths without a route.
const UNMATCHED: &str = "unmatched";

tokio::task_local! {
    static REQUEST: Arc<Request>;
}

/// One request from outside.
#[derive(Debug)]
pub struct Request {
    /// As its sender calls it, or as we do.
    pub id: String,
    /// How it was asked: a method that has a name of its own.
    pub method: &'static str,
    /// Which route that is.
    pub route: Option<MatchedPath>,
    /// What was asked for.
    pub path: String,
    /// The trace it belongs to.
    pub trace: TraceParent,
}

impl Request {
    /// Reads what the headers say and makes up what they do not.
    #[must_use]
    pub fn read(headers: &HeaderMap, path: &str) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let trace = text(TRACEPARENT).and_then(|text| text.parse().ok()).unwrap_or_else(TraceParent::new_root);
        let own = text(REQUEST_ID).filter(|id| (1..=REQUEST_ID_CHARS_MAX).contains(&id.len()));
        let id = own.map_or_else(|| Uuid::from_u128(trace.trace_id).to_string(), str::to_owned);
        Self { id, method: "", route: None, path: path.to_owned(), trace }
    }

    /// The route as metrics, traces and log lines call it.
    #[must_use]
    pub fn route_name(&self) -> &str {
        self.route.as_ref().map_or(UNMATCHED, MatchedPath::as_str)
    }

    /// The trace in hex, as logs show it.
    #[must_use]
    pub fn trace_id(&self) -> String {
        self.trace.trace_id_hex()
    }

    /// The cause of what this request changes. What it sets off is found by one id: the request's own if that is a
    /// UUID, else that of its trace.
    #[must_use]
    pub fn cause(&self, actor: &str) -> Cause {
        let correlation_id = self.id.parse().unwrap_or(Uuid::from_u128(self.trace.trace_id));
        let trace = TraceParent::current().unwrap_or(self.trace);
        Cause { traceparent: Some(trace.to_string()), ..Cause::new(actor, correlation_id) }
    }
}

/// The request that this task answers, if it answers one.
#[must_use]
pub fn current() -> Option<Arc<Request>> {
    REQUEST.try_with(Arc::clone).ok()
}

/// The cause of what the current request changes.
#[must_use]
pub fn cause(actor: &str) -> Cause {
    current().map_or_else(|| Cause::new(actor, Uuid::now_v7()), |request| request.cause(actor))
}

/// Runs `work` as part of the request.
pub async fn within<F: Future>(request: Arc<Request>, work: F) -> F::Output {
    REQUEST.scope(request, work).await
}
