//! Many purchases in one request, each a command of its own with an answer of its own.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use event_schemas::Context;
use event_schemas::ids::OrderId;
use event_store::Done;
use futures::StreamExt as _;
use platform::caller::Caller;
use platform::http::{IdempotencyKey, IfMatch, RawJson, fingerprint, parse};
use platform::problem::Problem;
use platform::token::{self, ConsistencyToken};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{App, Import};
use crate::answer;

const LINES_MAX: usize = 1000;
/// Commands of one batch under way at once: enough to fill a batch of the store, too few to crowd out other callers.
const UNDER_WAY_MAX: usize = 256;

/// Several purchases.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    /// At most 1000.
    #[schema(value_type = Vec<Import>, min_items = 1, max_items = 1000)]
    orders: Vec<Box<RawValue>>,
}

/// What became of each line, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Results {
    /// One for each.
    results: Vec<Line>,
}

/// What became of one line.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Line {
    /// Which one, from 1.
    #[schema(example = 1)]
    line: usize,
    /// The status that the line would have got alone.
    #[schema(example = 201)]
    status: u16,
    /// The order, if it is there now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    order: Option<OrderId>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i64>,
    /// The answer is that to an earlier request.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replayed: bool,
    /// Why not; pointers begin at the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    problem: Option<Value>,
}

/// Import many purchases.
///
/// Each line is a command of its own: some may be refused while others are imported. A repeat with the same key gets
/// the same answers and does what was not done.
#[utoipa::path(
    post, path = "/v1/orders/import-batch", tag = "orders", operation_id = "importOrders",
    request_body(content = Batch, example = json!({"orders": [{
        "customer": "018f4e7a-0000-7000-8000-000000000001", "ordered_on": "1997-01-12", "units": 5,
        "total": {"amount_minor": 7700, "currency": "USD"}}]})),
    params(("Idempotency-Key" = String, Header, description = "Names this request; line 7 has the key `<key>#7`.",
            example = "7d444840-9dc0-4ad1-b245-5ffdce74fad2"),
           ("If-Match" = Option<String>, Header,
            description = "The version that each order must have; `\"0\"`: none may be there yet.", example = "\"0\"")),
    responses(
        (status = 200, description = "Each line has its own status.", headers(("Consistency-Token")), body = Results,
         example = json!({"results": [{
            "line": 1, "status": 201, "order": "018f4e7a-0000-7000-8000-000000000002", "version": 1}]})),
        Problem)
)]
pub(super) async fn import_batch(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    expected: Option<IfMatch>,
    body: RawJson<Batch>,
) -> Result<Response, Problem> {
    let lines = body.value.orders;
    if lines.is_empty() || lines.len() > LINES_MAX {
        return Err(Problem::bad_field("/orders", "a batch has 1 to 1000 orders; send more in several batches"));
    }
    let fingerprint = fingerprint(&app.tokens, &Method::POST, "/v1/orders/import-batch", &body.bytes);
    let condition = Condition { fingerprint, expected: expected.and_then(|expected| expected.0) };
    let outcomes: Vec<_> = futures::stream::iter(lines.into_iter().enumerate())
        .map(|(index, line)| import_line(&app, &caller, key.line(index + 1), condition, line))
        .buffered(UNDER_WAY_MAX)
        .collect()
        .await;
    answered(&app, outcomes)
}

/// What all lines of a request have in common.
#[derive(Clone, Copy)]
struct Condition {
    fingerprint: [u8; 32],
    expected: Option<i64>,
}

type Outcome = Result<(OrderId, Done), Problem>;

async fn import_line(
    app: &App,
    caller: &Caller,
    key: IdempotencyKey,
    condition: Condition,
    line: Box<RawValue>,
) -> Outcome {
    let import: Import = parse(line.get().as_bytes())?;
    let order = import.order.unwrap_or_else(|| OrderId(caller.derive(key.as_str())));
    let ask = answer::ask(caller, condition.expected, Some(&key), || condition.fingerprint);
    super::take_in(app, order, import, ask).await.map(|done| (order, done))
}

fn answered(app: &App, outcomes: Vec<Outcome>) -> Result<Response, Problem> {
    let away = |outcome: &Outcome| {
        outcome.as_ref().err().filter(|problem| problem.status() == StatusCode::SERVICE_UNAVAILABLE).cloned()
    };
    // Nothing was done: say so in the status, so that clients wait and repeat as they would with one order.
    if let Some(problem) = outcomes.first().and_then(away).filter(|_| outcomes.iter().all(|one| away(one).is_some())) {
        return Err(problem);
    }
    let mut merged = ConsistencyToken::default();
    let results = outcomes.into_iter().enumerate().map(|(index, outcome)| match outcome {
        Ok((order, done)) => {
            merged.merge(answer::token(Context::Orders, &done));
            let status = if done.created { StatusCode::CREATED } else { StatusCode::OK };
            let (status, version) = (status.as_u16(), Some(done.version));
            Line { line: index + 1, status, order: Some(order), version, replayed: done.replayed, problem: None }
        }
        Err(problem) => {
            let (status, body) = (problem.status().as_u16(), serde_json::to_value(problem.body()).ok());
            Line { line: index + 1, status, order: None, version: None, replayed: false, problem: body }
        }
    });
    let results = Results { results: results.collect() };
    let mut response = Json(results).into_response();
    if !merged.is_empty() {
        response.headers_mut().insert(HeaderName::from_static(token::HEADER), merged.to_header(&app.tokens));
    }
    Ok(response)
}
