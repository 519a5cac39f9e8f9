//! Pieces of a variant that are kept for somebody: reserved, then released or committed, once.

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use domain::products::StockCommand;
use envelope::Timestamp;
use event_schemas::ids::{ProductId, ReservationId};
use event_schemas::{Context, Sku};
use platform::caller::Caller;
use platform::clock;
use platform::http::{IdempotencyKey, IfMatch, Path2, Path3, RawJson, fingerprint};
use platform::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::stock::Place;
use crate::answer;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(reserve)).routes(routes!(release)).routes(routes!(commit))
}

/// Pieces that somebody wants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReservationWanted {
    /// The id, if the sender has one; otherwise it follows from caller and Idempotency-Key. It acts once.
    #[schema(value_type = Option<Uuid>)]
    reservation: Option<ReservationId>,
    /// How many.
    #[schema(example = 2, minimum = 1, maximum = 1_000_000)]
    quantity: i64,
    /// Until when they should be taken: in the future, at most 30 days ahead. Then they are available again.
    #[schema(value_type = String, format = DateTime, example = "2026-11-21T10:15:00Z")]
    until: Timestamp,
}

/// Pieces that are kept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reservation)]
struct Reserved {
    /// Under which reservation.
    #[schema(value_type = Uuid)]
    reservation: ReservationId,
    /// The version of the stock now.
    #[schema(example = 2)]
    version: i64,
}

/// Keep pieces of a variant for somebody.
///
/// Of those who ask for the last piece, one gets it. A repeat with the same content changes nothing.
#[utoipa::path(
    post, path = "/v1/products/{product}/stock/{sku}/reservations", tag = "products", operation_id = "reserveStock",
    request_body(content = ReservationWanted, example = json!({"quantity": 2, "until": "2026-11-21T10:15:00Z"})),
    params(("product" = Uuid, Path, description = "Which product.", example = "018f4e7a-0000-7000-8000-000000000003"),
           ("sku" = String, Path, description = "Which of its variants.", example = "MUG-RED"),
           ("Idempotency-Key" = String, Header,
            description = "Names this request, so that a repeat does not do it twice.",
            example = "7d444840-9dc0-4ad1-b245-5ffdce74fad2"),
           ("If-Match" = Option<String>, Header, description = "The version of the stock it is made for.")),
    responses(
        (status = 200, description = "They are kept; `ETag` has the version of the stock.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed")), body = Reserved,
         example = json!({"reservation": "018f4e7a-0000-7000-8000-000000000004", "version": 2})),
        Problem)
)]
async fn reserve(
    State(app): State<App>,
    caller: Caller,
    Path2(product, sku): Path2<ProductId, Sku>,
    key: IdempotencyKey,
    expected: Option<IfMatch>,
    body: RawJson<ReservationWanted>,
) -> Result<Response, Problem> {
    let place = Place { product, sku };
    let print = || fingerprint(&app.tokens, &Method::POST, &format!("{}/reservations", place.path()), &body.bytes);
    let ask = answer::ask(&caller, expected.and_then(|expected| expected.0), Some(&key), print);
    let ReservationWanted { reservation, quantity, until } = body.value;
    let reservation = reservation.unwrap_or_else(|| ReservationId(caller.derive(key.as_str())));
    let command = StockCommand::Reserve { reservation, quantity, until, at: clock::now() };
    let done = place.ask(&app, "Reserve", command, ask).await?;
    let body = Json(Reserved { reservation, version: done.version });
    Ok(answer::noted(body.into_response(), Context::Products, &done, &app.tokens))
}

/// Keep pieces no longer.
#[utoipa::path(
    delete, path = "/v1/products/{product}/stock/{sku}/reservations/{reservation}", tag = "products",
    operation_id = "releaseReservation",
    params(("product" = Uuid, Path, description = "Which product.", example = "018f4e7a-0000-7000-8000-000000000003"),
           ("sku" = String, Path, description = "Which of its variants.", example = "MUG-RED"),
           ("reservation" = Uuid, Path, description = "Which.", example = "018f4e7a-0000-7000-8000-000000000004"),
           ("If-Match" = String, Header, description = "The ETag of the stock, or `*`.", example = "*"),
           ("Idempotency-Key" = Option<String>, Header,
            description = "Names this request, so that a repeat does not do it twice.")),
    responses(
        (status = 204, description = "They are available again; `ETag` has the version of the stock.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn release(
    State(app): State<App>,
    caller: Caller,
    Path3(product, sku, reservation): Path3<ProductId, Sku, ReservationId>,
    IfMatch(expected): IfMatch,
    key: Option<IdempotencyKey>,
) -> Result<Response, Problem> {
    let place = Place { product, sku };
    let path = format!("{}/reservations/{reservation}", place.path());
    let print = || fingerprint(&app.tokens, &Method::DELETE, &path, &[]);
    let ask = answer::ask(&caller, expected, key.as_ref(), print);
    let done = place.ask(&app, "Release", StockCommand::Release { reservation }, ask).await?;
    Ok(answer::changed(Context::Products, &done, &app.tokens))
}

/// Hand reserved pieces over: they are sold and gone.
#[utoipa::path(
    post, path = "/v1/products/{product}/stock/{sku}/reservations/{reservation}/commit", tag = "products",
    operation_id = "commitReservation",
    params(("product" = Uuid, Path, description = "Which product.", example = "018f4e7a-0000-7000-8000-000000000003"),
           ("sku" = String, Path, description = "Which of its variants.", example = "MUG-RED"),
           ("reservation" = Uuid, Path, description = "Which.", example = "018f4e7a-0000-7000-8000-000000000004"),
           ("If-Match" = Option<String>, Header, description = "The version of the stock it is made for."),
           ("Idempotency-Key" = Option<String>, Header,
            description = "Names this request, so that a repeat does not do it twice.")),
    responses(
        (status = 204, description = "They are sold; `ETag` has the version of the stock.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn commit(
    State(app): State<App>,
    caller: Caller,
    Path3(product, sku, reservation): Path3<ProductId, Sku, ReservationId>,
    expected: Option<IfMatch>,
    key: Option<IdempotencyKey>,
) -> Result<Response, Problem> {
    let place = Place { product, sku };
    let path = format!("{}/reservations/{reservation}/commit", place.path());
    let print = || fingerprint(&app.tokens, &Method::POST, &path, &[]);
    let ask = answer::ask(&caller, expected.and_then(|expected| expected.0), key.as_ref(), print);
    let done = place.ask(&app, "Commit", StockCommand::Commit { reservation }, ask).await?;
    Ok(answer::changed(Context::Products, &done, &app.tokens))
}
