//! How far a product comes: proposed, approved or rejected, off sale for a while, archived.

use axum::extract::State;
use axum::response::Response;
use domain::products::Edit;
use event_schemas::Context;
use event_schemas::ids::ProductId;
use platform::http::RawJson;
use platform::problem::Problem;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{App, edited};
use crate::answer;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(propose))
        .routes(routes!(approve))
        .routes(routes!(reject))
        .routes(routes!(unlist))
        .routes(routes!(publish))
        .routes(routes!(archive))
}

/// Why a product may not be sold as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rejection {
    /// What its seller should know.
    #[schema(example = "The picture shows another product.", min_length = 1, max_length = 1000)]
    reason: String,
}

type Asking = crate::asking::Asking<ProductId>;

/// Moves a product on. The path ends with the name of the move in small letters.
async fn moved(app: &App, asked: Asking, name: &'static str, edit: Edit, body: &[u8]) -> Result<Response, Problem> {
    let ask = asked.ask(&app.tokens, "/v1/products", &name.to_lowercase(), body);
    let done = edited(app, &asked.caller, asked.id, name, edit, ask).await?;
    Ok(answer::changed(Context::Products, &done, &app.tokens))
}

/// Ask that a product may be sold.
#[utoipa::path(
    post, path = "/v1/products/{product}/propose", tag = "products", operation_id = "proposeProduct",
    params(("product" = Uuid, Path, description = "Which product.", example = "018f4e7a-0000-7000-8000-000000000003"),
           ("If-Match" = Option<String>, Header, description = "The version it is made for.", example = "\"1\""),
           ("Idempotency-Key" = Option<String>, Header,
            description = "Names this request, so that a repeat does not do it twice.")),
    responses(
        (status = 204, description = "It is proposed; `ETag` has the version, `Consistency-Token` the place.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn propose(State(app): State<App>, asked: Asking) -> Result<Response, Problem> {
    moved(&app, asked, "Propose", Edit::Propose, &[]).await
}

/// Let a proposed product be sold.
#[utoipa::path(
    post, path = "/v1/products/{product}/approve", tag = "products", operation_id = "approveProduct",
    params(("product" = Uuid, Path, description = "Which product.", example = "018f4e7a-0000-7000-8000-000000000003"),
           ("If-Match" = Option<String>, Header, description = "The version it is made for.", example = "\"1\""),
           ("Idempotency-Key" = Option<String>, Header,
            description = "Names this request, so that a repeat does not do it twice.")),
    responses(
        (status = 204, description = "It is on sale; `ETag` has the version, `Consistency-Token` the place.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn approve(State(app): State<App>, asked: Asking) -> Result<Response, Problem> {
    moved(&app, asked, "Approve", Edit::Approve, &[]).await
}

/// Make a proposed product a draft again.
#[utoipa::path(
    post, path = "/v1/products/{product}/reject", tag = "products", operation_id = "rejectProduct",
    request_body(content = Rejection, example = json!({"reason": "The picture shows another product."})),
    params(("product" = Uuid, Path, description = "Which product.", example = "018f4e7a-0000-7000-8000-000000000003"),
           ("If-Match" = Option<String>, Header, description = "The version it is made for.", example = "\"1\""),
           ("Idempotency-Key" = Option<String>, Header,
            description = "Names this request, so that a repeat does not do it twice.")),
    responses(
        (status = 204, description = "It is a draft again; `ETag` has the version, `Consistency-Token` the place.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn reject(State(app): State<App>, asked: Asking, body: RawJson<Rejection>) -> Result<Response, Problem> {
    let edit = Edit::Reject { reason: body.value.reason };
    moved(&app, asked, "Reject", edit, &body.bytes).await
}

/// Take a product off sale for a while.
#[utoipa::path(
    post, path = "/v1/products/{product}/unlist", tag = "products", operation_id = "unlistProduct",
    params(("product" = Uuid, Path, description = "Which product.", example = "018f4e7a-0000-7000-8000-000000000003"),
           ("If-Match" = Option<String>, Header, description = "The version it is made for.", example = "\"1\""),
           ("Idempotency-Key" = Option<String>, Header,
            description = "Names this request, so that a repeat does not do it twice.")),
    responses(
        (status = 204, description = "It is off sale; `ETag` has the version, `Consistency-Token` the place.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn unlist(State(app): State<App>, asked: Asking) -> Result<Response, Problem> {
    moved(&app, asked, "Unlist", Edit::Unlist, &[]).await
}

/// Put an unlisted product on sale again.
#[utoipa::path(
    post, path = "/v1/products/{product}/publish", tag = "products", operation_id = "publishProduct",
    params(("product" = Uuid, Path, description = "Which product.", example = "018f4e7a-0000-7000-8000-000000000003"),
           ("If-Match" = Option<String>, Header, description = "The version it is made for.", example = "\"1\""),
           ("Idempotency-Key" = Option<String>, Header,
            description = "Names this request, so that a repeat does not do it twice.")),
    responses(
        (status = 204, description = "It is on sale; `ETag` has the version, `Consistency-Token` the place.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn publish(State(app): State<App>, asked: Asking) -> Result<Response, Problem> {
    moved(&app, asked, "Publish", Edit::Publish, &[]).await
}

/// Take a product off sale for ever.
#[utoipa::path(
    post, path = "/v1/products/{product}/archive", tag = "products", operation_id = "archiveProduct",
    params(("product" = Uuid, Path, description = "Which product.", example = "018f4e7a-0000-7000-8000-000000000003"),
           ("If-Match" = Option<String>, Header, description = "The version it is made for.", example = "\"1\""),
           ("Idempotency-Key" = Option<String>, Header,
            description = "Names this request, so that a repeat does not do it twice.")),
    responses(
        (status = 204, description = "It is archived; `ETag` has the version, `Consistency-Token` the place.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn archive(State(app): State<App>, asked: Asking) -> Result<Response, Problem> {
    moved(&app, asked, "Archive", Edit::Archive, &[]).await
}
