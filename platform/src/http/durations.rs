//! How long requests took, by route, method and status: what records it is looked up once for each of them.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::http::StatusCode;
use metrics::Histogram;

use super::context;

/// Routes are few, and so are methods and statuses of each.
#[derive(Default)]
pub(super) struct Durations(RwLock<HashMap<String, Vec<Measured>>>);

struct Measured {
    method: &'static str,
    status: StatusCode,
    durations: Histogram,
}

impl Durations {
    pub(super) fn record(&self, request: &context::Request, status: StatusCode, took: Duration) {
        let (route, method, seconds) = (request.route_name(), request.method, took.as_secs_f64());
        let of = |all: &HashMap<String, Vec<Measured>>| {
            let known = all.get(route)?.iter().find(|known| (known.method, known.status) == (method, status))?;
            known.durations.record(seconds);
            Some(())
        };
        if of(&self.0.read().unwrap_or_else(PoisonError::into_inner)).is_some() {
            return;
        }
        let durations = metrics::histogram!(
            "http_server_request_duration_seconds",
            "http_route" => route.to_owned(), "http_request_method" => method,
            "http_response_status_code" => status.as_str().to_owned()
        );
        durations.record(seconds);
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Another request may have been as fast; the first of two is found from then on.
        all.entry(route.to_owned()).or_default().push(Measured { method, status, durations });
    }
}
