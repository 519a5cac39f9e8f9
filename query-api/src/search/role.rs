//! Asks the role `search`: over its inner port, or without one where it is in the same process.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use bytes::Bytes;
use envelope::{History, Position};
use event_schemas::Context;
use platform::http::context;
use platform::problem::Problem;
use platform::token::ConsistencyToken;
use platform::traceparent::TraceParent;
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tower::Service as _;
use uuid::Uuid;

use crate::fresh::late;

/// How long a connection to the role may take.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// A page of products with its facets is far shorter.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long an answer may take, beside what is waited for.
const ANSWER_MAX: Duration = Duration::from_secs(5);
const RETRY_AFTER_S: u32 = 1;
/// A build takes a while.
const RETRY_AFTER_BUILDING_S: u32 = 5;
/// So many histories are named at most; a token has one, unless the store began another while it was gathered.
const HISTORIES_MAX: usize = 8;

/// Where the role `search` answers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SearchRole {
    url: String,
    http: reqwest::Client,
    /// What stands behind the port, if that is in this process: then no socket lies between.
    here: Option<Router>,
}

/// A question as the role takes it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Question {
    pub(super) q: String,
    pub(super) category: Option<String>,
    pub(super) seller: Option<Uuid>,
    pub(super) currency: Option<String>,
    pub(super) price_min: Option<i64>,
    pub(super) price_max: Option<i64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) sort: &'static str,
    pub(super) offset: i64,
    pub(super) limit: i64,
    /// Filled in when it is asked.
    pub(super) contains: Option<String>,
    /// Filled in when it is asked.
    pub(super) wait_max_ms: u64,
}

/// Why the role does not answer.
#[derive(Debug, Deserialize)]
struct Refused {
    refused: String,
}

impl SearchRole {
    /// The role at this address, such as `http://127.0.0.1:8422`. Nothing is sent before somebody asks.
    ///
    /// # Errors
    /// If no client can be made.
    pub fn at(url: &str) -> reqwest::Result<Self> {
        // What is behind the port is ours: no proxy stands between, and nothing leads elsewhere.
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .build()?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), http, here: None })
    }

    /// The same role, whose routes are in this process.
    #[must_use]
    pub fn here(self, routes: Router) -> Self {
        Self { here: Some(routes), ..self }
    }

    /// Asks, and lets the role wait until its answer contains what a token tells of.
    pub(super) async fn ask<A: DeserializeOwned>(
        &self,
        what: &str,
        mut question: Question,
        token: &ConsistencyToken,
        wait_max: Duration,
    ) -> Result<A, Problem> {
        question.contains = contained(token);
        question.wait_max_ms = u64::try_from(wait_max.as_millis()).unwrap_or(u64::MAX);
        let mut request = self.http.get(format!("{}/{what}", self.url)).query(&question);
        if let Some(of) = context::current() {
            let trace = TraceParent::current().unwrap_or(of.trace).to_string();
            request = request.header(context::REQUEST_ID, of.id.as_str()).header("traceparent", trace);
        }
        let request = request.timeout(wait_max + ANSWER_MAX).build().map_err(|error| away(&error))?;
        let (status, body) = match &self.here {
            Some(routes) => beside(routes.clone(), request).await?,
            None => over_there(&self.http, request).await.map_err(|error| away(&error))?,
        };
        match status {
            StatusCode::OK => serde_json::from_slice(&body).map_err(|error| Problem::internal(&error)),
            StatusCode::SERVICE_UNAVAILABLE => {
                let refused: Refused = serde_json::from_slice(&body).map_err(|error| Problem::internal(&error))?;
                Err(if refused.refused == "late" { late("search") } else { building() })
            }
            status => Err(Problem::internal(&format!("the role `search` answered {status}"))),
        }
    }
}

async fn over_there(http: &reqwest::Client, request: reqwest::Request) -> reqwest::Result<(StatusCode, Bytes)> {
    let response = http.execute(request).await?;
    Ok((response.status(), response.bytes().await?))
}

/// The same request, handed over. The routes bound it in time themselves.
async fn beside(mut routes: Router, request: reqwest::Request) -> Result<(StatusCode, Bytes), Problem> {
    let request = Request::try_from(request).map_err(|error| away(&error))?.map(|_| Body::empty());
    let Ok(response) = routes.call(request).await;
    let (head, body) = response.into_parts();
    let body = to_bytes(body, ANSWER_BYTES_MAX).await.map_err(|error| Problem::internal(&error))?;
    Ok((head.status, body))
}

/// The newest position of each history that a token names, as the role takes it.
fn contained(token: &ConsistencyToken) -> Option<String> {
    if platform::faults::planted("token-ignored") {
        return None;
    }
    let mut newest: BTreeMap<History, Position> = BTreeMap::new();
    for ((context, _), (history, position)) in &token.touched {
        if context == Context::Products.name() {
            let held = newest.entry(*history).or_insert(*position);
            *held = (*held).max(*position);
        }
    }
    let each = newest.iter().take(HISTORIES_MAX).map(|(history, position)| format!("{history}:{position}"));
    (!newest.is_empty()).then(|| each.collect::<Vec<_>>().join(","))
}

fn away(error: &reqwest::Error) -> Problem {
    tracing::debug!(%error, "The role `search` did not answer");
    let detail = "the role that answers searches cannot be reached just now; repeat the request, or look into \
                  /v1/products meanwhile";
    Problem::unavailable("search-unavailable", detail, RETRY_AFTER_S)
}

fn building() -> Problem {
    let detail = "the search index is being built from the store; repeat the request, or look into /v1/products \
                  meanwhile";
    Problem::unavailable("search-building", detail, RETRY_AFTER_BUILDING_S)
}

#[cfg(test)]
mod tests;
