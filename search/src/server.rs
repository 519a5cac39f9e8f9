//! The inner port: answers questions as of the newest commit, or of one that has what the caller names.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use platform::clock;
use platform::progress::{Progress, Seen, WHOLE_STORE};
use serde::{Deserialize, Serialize};
use tantivy::Searcher;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tokio::task;
use tokio::time::Instant;

use crate::ask::{ask, suggest};
use crate::fields::Fields;
use crate::follower::{CONTEXT, NAME, Slot};
use crate::index::IndexError;
use crate::question::{Answer, Question, Suggestions};

/// So many questions are answered at once; others wait their turn.
const AT_ONCE_MAX: usize = 32;
/// Nobody waits longer for what an answer has to contain.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The index is not whole yet.
    Building,
    /// It does not contain in time what the caller named.
    Late,
    /// The question cannot be read.
    Unreadable,
    /// The index failed; the log says how.
    Broken,
}

/// What the inner port answers from.
#[derive(Clone)]
pub struct Served {
    slot: Slot,
    progress: Progress,
    turns: Arc<Semaphore>,
}

impl Served {
    /// What a follower fills, with the hub to which it tells how far it is.
    #[must_use]
    pub fn new(slot: Slot, progress: Progress) -> Self {
        Self { slot, progress, turns: Arc::new(Semaphore::new(AT_ONCE_MAX)) }
    }
}

/// The routes of the inner port: `/products` and `/products/suggestions`.
pub fn router(served: Served) -> Router {
    Router::new().route("/products", get(products)).route("/products/suggestions", get(suggestions)).with_state(served)
}

async fn products(served: State<Served>, question: Query<Question>) -> Result<Json<Answer>, Refusal> {
    let (mut answer, other_history) = answer("products", &served, question.0, ask).await?;
    answer.other_history = other_history;
    Ok(Json(answer))
}

async fn suggestions(served: State<Served>, question: Query<Question>) -> Result<Json<Suggestions>, Refusal> {
    let (mut answer, other_history) = answer("suggestions", &served, question.0, suggest).await?;
    answer.other_history = other_history;
    Ok(Json(answer))
}

type Asking<A> = fn(&Searcher, &Fields, &Question) -> Result<A, IndexError>;

/// The answer, and whether what it should contain is of another history.
async fn answer<A: Send + 'static>(
    kind: &'static str,
    served: &Served,
    question: Question,
    asking: Asking<A>,
) -> Result<(A, bool), Refusal> {
    let other_history = wait(served, &question).await?;
    let _turn = served.turns.acquire().await.map_err(|_| Refusal::Broken)?;
    let serving = served.slot.get().ok_or(Refusal::Building)?;
    // The view is taken after the wait: it contains what was waited for.
    let answered = beside(move || {
        let begun = clock::monotonic();
        let answered = asking(&serving.searcher(), &serving.fields, &question);
        metrics::histogram!("handsel_search_query_duration_seconds", "kind" => kind)
            .record(begun.elapsed().as_secs_f64());
        answered
    });
    match answered.await {
        Some(Ok(answer)) => Ok((answer, other_history)),
        Some(Err(reason)) => {
            tracing::error!(%reason, "A question to the search index failed: {reason}");
            Err(Refusal::Broken)
        }
        // The hook for panics has logged message and place already.
        None => Err(Refusal::Broken),
    }
}

/// Computes without keeping others from a thread; `None` after a panic. Where it can, it goes on here and lets another
/// thread take over everybody else: to wake one up and be woken up again takes as long as a question.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => task::block_in_place(|| catch_unwind(AssertUnwindSafe(work)).ok()),
        _ => task::spawn_blocking(work).await.ok(),
    }
}

/// Waits for what the answer has to contain; `true` if that is of another history.
async fn wait(served: &Served, question: &Question) -> Result<bool, Refusal> {
    let deadline = Instant::now() + Duration::from_millis(question.wait_max_ms).min(WAIT_MAX);
    let mut other_history = false;
    for place in question.contained().ok_or(Refusal::Unreadable)? {
        match served.progress.wait(NAME, CONTEXT.name(), WHOLE_STORE, place, deadline).await {
            Some(Seen::Reached { .. }) => {}
            Some(Seen::OtherHistory) => other_history = true,
            Some(Seen::Late) => return Err(Refusal::Late),
            None => return Err(Refusal::Building),
        }
    }
    Ok(other_history)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Building | Self::Late => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreadable => StatusCode::BAD_REQUEST,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(serde_json::json!({ "refused": self }))).into_response()
    }
}
