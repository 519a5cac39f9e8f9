//! Titles that go on as somebody types.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use platform::caller::Caller;
use platform::http::Params;
use platform::problem::Problem;
use platform::token::ConsistencyToken;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::role::Question;
use super::words;
use crate::app::Api;
use crate::fresh::Fresh;

/// So many titles are suggested at most: what fits below a field in which somebody types.
const TITLES_MAX: i64 = 8;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(suggestions))
}

/// Titles that may be meant.
#[derive(Debug, Serialize, ToSchema)]
struct Suggestions {
    /// Best first, no title twice.
    data: Vec<Suggestion>,
    /// The words that may be meant, where no product has one as it was typed.
    #[schema(example = "ceramic")]
    did_you_mean: Option<String>,
}

/// A title.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct Suggestion {
    /// The product that has it.
    product: Uuid,
    /// What it is called.
    #[schema(example = "Ceramic mug")]
    title: String,
}

/// What the role `search` answers.
#[derive(Debug, Deserialize)]
struct Answer {
    titles: Vec<Suggestion>,
    did_you_mean: Option<String>,
    other_history: bool,
}

/// Suggest titles of products on sale, as somebody types.
///
/// At most eight, best first. Every word has to stand in the title; the last one may be the beginning of one.
#[utoipa::path(
    get, path = "/v1/search/suggestions", tag = "search", operation_id = "suggestProducts",
    params(("q" = Option<String>, Query, description = "What was typed so far: 200 characters at most.",
            example = "cer"),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "Titles; none where nothing was typed.", body = Suggestions,
               example = json!({"data": [{"product": "018f4e7a-0000-7000-8000-000000000003",
                   "title": "Ceramic mug"}], "did_you_mean": null})),
              Problem)
)]
async fn suggestions(
    State(app): State<Api>,
    _: Caller,
    token: ConsistencyToken,
    mut params: Params,
) -> Result<Response, Problem> {
    let q = words(&mut params)?;
    params.finish()?;
    let question = Question { q, limit: TITLES_MAX, ..Question::default() };
    let answer: Answer = app.search.ask("products/suggestions", question, &token, app.wait_max).await?;
    let body = Suggestions { data: answer.titles, did_you_mean: answer.did_you_mean };
    Ok(Fresh::new(answer.other_history).answer(axum::Json(body).into_response()))
}
