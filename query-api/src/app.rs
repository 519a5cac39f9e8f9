//! What every route needs, and what it says when Postgres does not answer.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, ETAG};
use axum::response::{IntoResponse, Response};
use platform::http::{IfNoneMatch, Params, etag};
use platform::postgres;
use platform::problem::{Explanation, Problem};
use platform::progress::Progress;
use platform::token::TokenKey;
use serde::Serialize;
use sqlx::PgPool;

use crate::feed::Feed;
use crate::products::cache::ProductCache;
use crate::products::load::Loads;
use crate::search::SearchRole;

const RETRY_AFTER_S: u32 = 1;
/// Postgres: the relation does not exist.
const UNDEFINED_TABLE: &str = "42P01";
/// Postgres: the statement was cancelled, here because it took longer than it may.
const CANCELED: &str = "57014";

/// What every query may be answered.
pub(crate) const PROBLEMS: &[Explanation] = &[
    Explanation::new(
        "query-too-slow",
        503,
        "The database needed too long for the answer, and was stopped. Repeat after Retry-After, or ask for less.",
    ),
    Explanation::new("view-missing", 503, "The view is not built yet. Repeat when the projector has started."),
    Explanation::new(
        "views-unavailable",
        503,
        "The database of the views cannot be reached. Repeat after Retry-After.",
    ),
];

/// The views and how far they are.
#[derive(Clone)]
pub struct App {
    /// The database of the views, which stops statements that take too long.
    pub views: PgPool,
    /// How far the views of this process are.
    pub progress: Progress,
    /// How long a query waits for what its token tells of.
    pub wait_max: Duration,
    /// By which tokens and cursors are ours.
    pub tokens: TokenKey,
    /// Products that were read before. It is empty until somebody runs [`ProductCache::follow`].
    pub products: ProductCache,
    /// Where the role `search` answers.
    pub search: SearchRole,
    /// The stores, for those who follow what happens.
    pub feed: Feed,
}

/// The same, as every request gets it: cheap to clone.
#[derive(Clone)]
pub(crate) struct Api(Arc<Parts>);

struct Parts {
    app: App,
    /// Who waits for a product.
    loads: Loads,
}

impl Api {
    pub(crate) fn new(app: App) -> Self {
        let loads = Loads::new(&app.views);
        Self(Arc::new(Parts { app, loads }))
    }

    pub(crate) fn loads(&self) -> &Loads {
        &self.0.loads
    }
}

impl Deref for Api {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0.app
    }
}

impl FromRef<Api> for TokenKey {
    fn from_ref(api: &Api) -> Self {
        api.tokens.clone()
    }
}

/// The state by which a list is filtered, if it is. A misspelt one would give nothing, so it is refused.
pub(crate) fn state_filter(params: &mut Params, what: &str, known: &[&str]) -> Result<Option<String>, Problem> {
    const NAME: &str = "filter[state]";
    let state: Option<String> = params.take(NAME)?;
    match &state {
        Some(state) if !known.contains(&state.as_str()) => {
            Err(Problem::bad_parameter(NAME, format!("{what} is `{}`", known.join("`, `"))))
        }
        Some(_) | None => Ok(state),
    }
}

/// What Postgres said, for whoever asked.
pub(crate) fn failed(error: sqlx::Error) -> Problem {
    failed_by(&error)
}

/// The same for several who waited for one statement.
pub(crate) fn failed_by(error: &sqlx::Error) -> Problem {
    let code = error.as_database_error().and_then(|error| error.code());
    if code.as_deref() == Some(UNDEFINED_TABLE) {
        let detail = "this view is not built yet; repeat the request when the projector has started";
        return Problem::unavailable("view-missing", detail, RETRY_AFTER_S);
    }
    if code.as_deref() == Some(CANCELED) {
        let detail =
            "the database needed too long for this answer, and was stopped; repeat the request or ask for less";
        return Problem::unavailable("query-too-slow", detail, RETRY_AFTER_S);
    }
    if postgres::is_unavailable(error) {
        let detail = "the database of the views cannot be reached just now; repeat the request";
        return Problem::unavailable("views-unavailable", detail, RETRY_AFTER_S);
    }
    Problem::internal(error)
}

/// One thing with its version; nothing but 304 if the caller has that.
pub(crate) fn tagged(held: &IfNoneMatch, version: i64, body: impl Serialize) -> Response {
    let tag = etag(version);
    let mut response =
        if held.has(&tag) { StatusCode::NOT_MODIFIED.into_response() } else { axum::Json(body).into_response() };
    response.headers_mut().insert(ETAG, tag);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
