//! The right to edit a product alone, for a while.

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use domain::products::ProductCommand;
use envelope::Timestamp;
use event_schemas::Context;
use event_schemas::ids::ProductId;
use platform::caller::Caller;
use platform::clock;
use platform::http::{IdempotencyKey, IfMatch, Path, RawJson, fingerprint};
use platform::problem::Problem;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{App, decided};
use crate::answer;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(take, release))
}

/// How long somebody will edit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LeaseWanted {
    /// When everybody may edit again: in the future, at most 24 hours ahead.
    #[schema(value_type = String, format = DateTime, example = "2026-11-21T10:15:00Z")]
    until: Timestamp,
}

/// Keep everybody else from editing a product.
///
/// The lease is the caller's, and lapses by itself. Who takes it again moves its end.
#[utoipa::path(
    put, path = "/v1/products/{product}/lease", tag = "products", operation_id = "takeProductLease",
    request_body(content = LeaseWanted, example = json!({"until": "2026-11-21T10:15:00Z"})),
    params(("product" = Uuid, Path, description = "Which product.", example = "018f4e7a-0000-7000-8000-000000000003"),
           ("If-Match" = String, Header,
            description = "The ETag of the version that will be edited.", example = "\"1\""),
           ("Idempotency-Key" = Option<String>, Header,
            description = "Names this request, so that a repeat does not do it twice.")),
    responses(
        (status = 204, description = "Only the caller edits until then; `ETag` has the version.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn take(
    State(app): State<App>,
    caller: Caller,
    Path(product): Path<ProductId>,
    IfMatch(expected): IfMatch,
    key: Option<IdempotencyKey>,
    body: RawJson<LeaseWanted>,
) -> Result<Response, Problem> {
    let print = || fingerprint(&app.tokens, &Method::PUT, &format!("/v1/products/{product}/lease"), &body.bytes);
    let ask = answer::ask(&caller, expected, key.as_ref(), print);
    let (by, until) = (caller.name().to_owned(), body.value.until);
    let command = ProductCommand::TakeLease { by, until, at: clock::now() };
    let done = decided(&app, product, "TakeLease", command, ask).await?;
    Ok(answer::changed(Context::Products, &done, &app.tokens))
}

/// Let everybody edit a product again.
///
/// Where there is no lease, nothing changes.
#[utoipa::path(
    delete, path = "/v1/products/{product}/lease", tag = "products", operation_id = "releaseProductLease",
    params(("product" = Uuid, Path, description = "Which product.", example = "018f4e7a-0000-7000-8000-000000000003"),
           ("If-Match" = String, Header, description = "The ETag of the version, or `*`.", example = "*"),
           ("Idempotency-Key" = Option<String>, Header,
            description = "Names this request, so that a repeat does not do it twice.")),
    responses(
        (status = 204, description = "Everybody may edit; `ETag` has the version.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn release(
    State(app): State<App>,
    caller: Caller,
    Path(product): Path<ProductId>,
    IfMatch(expected): IfMatch,
    key: Option<IdempotencyKey>,
) -> Result<Response, Problem> {
    let print = || fingerprint(&app.tokens, &Method::DELETE, &format!("/v1/products/{product}/lease"), &[]);
    let ask = answer::ask(&caller, expected, key.as_ref(), print);
    let command = ProductCommand::ReleaseLease { by: caller.name().to_owned(), at: clock::now() };
    let done = decided(&app, product, "ReleaseLease", command, ask).await?;
    Ok(answer::changed(Context::Products, &done, &app.tokens))
}
