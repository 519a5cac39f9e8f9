//! What becomes of an order after it was placed: cancelled, or sent, delivered and completed.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use domain::orders::{OrderCommand, Shipping};
use event_schemas::ids::{OrderId, ProductId, ShipmentId};
use event_schemas::orders::{CancellationReason, ShippedLine};
use event_schemas::{Context, Sku};
use event_store::{Ask, Done};
use platform::clock;
use platform::http::{IdempotencyKey, RawJson};
use platform::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{App, field_of};
use crate::answer;

const ORDERS: &str = "/v1/orders";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(cancel))
        .routes(routes!(ship))
        .routes(routes!(deliver))
        .routes(routes!(complete))
}

type Asking = crate::asking::Asking<OrderId>;

/// Why an order is not wanted any more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrderCancellation)]
struct Cancellation {
    /// Who does not want it any more.
    reason: Party,
}

/// One of the two who made a deal.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrderParty)]
enum Party {
    /// Who buys.
    ByCustomer,
    /// Who sells.
    BySeller,
}

/// Pieces that are sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrderShipping)]
struct Parcel {
    /// The id, if the sender has one; otherwise it follows from caller and Idempotency-Key. It acts once.
    #[schema(value_type = Option<Uuid>)]
    shipment: Option<ShipmentId>,
    /// Which pieces; none stands for all that are left.
    #[serde(default)]
    #[schema(max_items = 100)]
    lines: Vec<ParcelLine>,
    /// By what the carrier knows it.
    #[schema(example = "1Z999", min_length = 1, max_length = 100)]
    tracking: Option<String>,
}

/// Pieces of a variant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrderShippingLine)]
struct ParcelLine {
    /// Of which product.
    #[schema(value_type = Uuid, example = "018f4e7a-0000-7000-8000-000000000003")]
    product: ProductId,
    /// Of which of its variants.
    #[schema(value_type = String, example = "MUG-RED")]
    sku: Sku,
    /// How many.
    #[schema(example = 1, minimum = 1, maximum = 1_000_000)]
    quantity: i64,
}

/// A shipment that is on its way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderShipment)]
struct Sent {
    /// Which one.
    #[schema(value_type = Uuid)]
    shipment: ShipmentId,
    /// The version of the order now.
    #[schema(example = 4)]
    version: i64,
}

/// Cancel an order.
///
/// Possible until something was sent. Its pieces are free again, and its payment is given back.
#[utoipa::path(
    post, path = "/v1/orders/{order}/cancel", tag = "orders", operation_id = "cancelOrder",
    request_body(content = Cancellation, example = json!({"reason": "by_customer"})),
    params(("order" = Uuid, Path, description = "Which one.", example = "018f4e7a-0000-7000-8000-000000000002"),
           ("If-Match" = Option<String>, Header, description = "The version it is made for."),
           ("Idempotency-Key" = Option<String>, Header,
            description = "Names this request, so that a repeat does not do it twice.")),
    responses(
        (status = 204, description = "It is cancelled; `ETag` has the version.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn cancel(State(app): State<App>, asked: Asking, body: RawJson<Cancellation>) -> Result<Response, Problem> {
    let ask = asked.ask(&app.tokens, ORDERS, "cancel", &body.bytes);
    let reason = match body.value.reason {
        Party::ByCustomer => CancellationReason::ByCustomer,
        Party::BySeller => CancellationReason::BySeller,
    };
    changed(&app, asked.id, "Cancel", OrderCommand::Cancel { reason }, ask).await
}

/// Send an order, or part of it.
///
/// With the first shipment its pieces are sold and its payment is collected.
#[utoipa::path(
    post, path = "/v1/orders/{order}/shipments", tag = "orders", operation_id = "shipOrder",
    request_body(content = Parcel, example = json!({"tracking": "1Z999"})),
    params(("order" = Uuid, Path, description = "Which one.", example = "018f4e7a-0000-7000-8000-000000000002"),
           ("Idempotency-Key" = String, Header,
            description = "Names this request, so that a repeat does not do it twice.",
            example = "7d444840-9dc0-4ad1-b245-5ffdce74fad2"),
           ("If-Match" = Option<String>, Header, description = "The version it is made for.")),
    responses(
        (status = 200, description = "It is on its way; `ETag` has the version of the order.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed")), body = Sent,
         example = json!({"shipment": "018f4e7a-0000-7000-8000-000000000006", "version": 4})),
        Problem)
)]
async fn ship(
    State(app): State<App>,
    key: IdempotencyKey,
    asked: Asking,
    body: RawJson<Parcel>,
) -> Result<Response, Problem> {
    let ask = asked.ask(&app.tokens, ORDERS, "shipments", &body.bytes);
    let Parcel { shipment, lines, tracking } = body.value;
    let shipment = shipment.unwrap_or_else(|| ShipmentId(asked.caller.derive(key.as_str())));
    let line = |ParcelLine { product, sku, quantity }| ShippedLine { product, sku, quantity };
    let shipping = Shipping { shipment, lines: lines.into_iter().map(line).collect(), tracking };
    let done = decided(&app, asked.id, "Ship", OrderCommand::Ship(Box::new(shipping)), ask).await?;
    let body = Json(Sent { shipment, version: done.version });
    Ok(answer::noted(body.into_response(), Context::Orders, &done, &app.tokens))
}

/// Say that an order has arrived, all of it.
///
/// It completes by itself some days later.
#[utoipa::path(
    post, path = "/v1/orders/{order}/deliver", tag = "orders", operation_id = "deliverOrder",
    params(("order" = Uuid, Path, description = "Which one.", example = "018f4e7a-0000-7000-8000-000000000002"),
           ("If-Match" = Option<String>, Header, description = "The version it is made for."),
           ("Idempotency-Key" = Option<String>, Header,
            description = "Names this request, so that a repeat does not do it twice.")),
    responses(
        (status = 204, description = "It is delivered; `ETag` has the version.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn deliver(State(app): State<App>, asked: Asking) -> Result<Response, Problem> {
    let ask = asked.ask(&app.tokens, ORDERS, "deliver", &[]);
    changed(&app, asked.id, "Deliver", OrderCommand::Deliver { at: clock::now() }, ask).await
}

/// Accept what was delivered.
#[utoipa::path(
    post, path = "/v1/orders/{order}/complete", tag = "orders", operation_id = "completeOrder",
    params(("order" = Uuid, Path, description = "Which one.", example = "018f4e7a-0000-7000-8000-000000000002"),
           ("If-Match" = Option<String>, Header, description = "The version it is made for."),
           ("Idempotency-Key" = Option<String>, Header,
            description = "Names this request, so that a repeat does not do it twice.")),
    responses(
        (status = 204, description = "It is completed; `ETag` has the version.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn complete(State(app): State<App>, asked: Asking) -> Result<Response, Problem> {
    let ask = asked.ask(&app.tokens, ORDERS, "complete", &[]);
    changed(&app, asked.id, "Complete", OrderCommand::Complete, ask).await
}

async fn changed(
    app: &App,
    order: OrderId,
    name: &'static str,
    command: OrderCommand,
    ask: Ask,
) -> Result<Response, Problem> {
    let done = decided(app, order, name, command, ask).await?;
    Ok(answer::changed(Context::Orders, &done, &app.tokens))
}

async fn decided(
    app: &App,
    order: OrderId,
    name: &'static str,
    command: OrderCommand,
    ask: Ask,
) -> Result<Done, Problem> {
    let came = app.commands.orders.execute(&order.to_string(), command, ask).await;
    answer::counted("order", name, came).map_err(|no| answer::refused(no, field_of))
}
