//! Orders over HTTP. Nothing is decided here.

mod batch;
mod catalogue;
mod fulfil;
mod place;
mod problems;

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use chrono::NaiveDate;
use domain::orders::{Order, OrderCommand, OrderError};
use event_schemas::ids::{AccountId, OrderId};
use event_schemas::{Context, Currency, Money};
use event_store::Done;
use platform::caller::Caller;
use platform::http::{IdempotencyKey, IfMatch, RawJson, fingerprint};
use platform::problem::Problem;
use platform::token::TokenKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer;

pub use catalogue::Catalogue;
pub(crate) use problems::PROBLEMS;

/// What the commands of this context need.
#[derive(Clone)]
pub struct Commands {
    /// Decides on orders.
    pub orders: event_store::Commands<Order>,
    /// What is sold, and for how much.
    pub catalogue: Catalogue,
}

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) commands: Commands,
    pub(crate) tokens: TokenKey,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(import))
        .routes(routes!(batch::import_batch))
        .merge(place::routes())
        .merge(fulfil::routes())
}

/// A purchase that was completed elsewhere.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Import {
    /// The id, if the sender has one; otherwise it follows from caller and Idempotency-Key.
    #[schema(value_type = Option<Uuid>)]
    order: Option<OrderId>,
    /// Who bought.
    #[schema(value_type = Uuid, example = "018f4e7a-0000-7000-8000-000000000001")]
    customer: AccountId,
    /// The day of the purchase.
    #[schema(example = "1997-01-12")]
    ordered_on: NaiveDate,
    /// How many pieces.
    #[schema(example = 5, minimum = 1, maximum = 1_000_000)]
    units: u32,
    /// What was paid for all of them.
    total: Amount,
}

/// An amount of money in whole minor units.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Amount {
    /// In the currency's smallest unit: 7700 is 77.00 USD.
    #[schema(example = 7700, minimum = 0)]
    amount_minor: i64,
    /// ISO 4217.
    #[schema(value_type = String, example = "USD", pattern = "^[A-Z]{3}$")]
    currency: Currency,
}

/// An order that was imported.
#[derive(Debug, Serialize, ToSchema)]
struct Imported {
    /// Which order.
    #[schema(value_type = Uuid)]
    order: OrderId,
    /// Its version now.
    #[schema(example = 1)]
    version: i64,
}

/// Import one purchase.
///
/// It triggers nothing. A repeat with the same content changes nothing.
#[utoipa::path(
    post, path = "/v1/orders/import", tag = "orders", operation_id = "importOrder",
    request_body(content = Import, example = json!({
        "customer": "018f4e7a-0000-7000-8000-000000000001", "ordered_on": "1997-01-12", "units": 5,
        "total": {"amount_minor": 7700, "currency": "USD"}})),
    params(("Idempotency-Key" = String, Header,
            description = "Names this request, so that a repeat does not do it twice.",
            example = "7d444840-9dc0-4ad1-b245-5ffdce74fad2"),
           ("If-Match" = Option<String>, Header, description = "The version it is made for.", example = "\"0\"")),
    responses(
        (status = 201, description = "Imported; `Location`, `ETag` and `Consistency-Token` say where and when.",
         headers(("ETag"), ("Location"), ("Consistency-Token"), ("Idempotent-Replayed")),
         body = Imported,
         example = json!({"order": "018f4e7a-0000-7000-8000-000000000002", "version": 1})),
        (status = 200, description = "It was imported before, with the same content.",
         headers(("ETag"), ("Location"), ("Consistency-Token"), ("Idempotent-Replayed")), body = Imported,
         example = json!({"order": "018f4e7a-0000-7000-8000-000000000002", "version": 1})),
        Problem)
)]
async fn import(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    expected: Option<IfMatch>,
    body: RawJson<Import>,
) -> Result<Response, Problem> {
    let fingerprint = fingerprint(&app.tokens, &Method::POST, "/v1/orders/import", &body.bytes);
    let order = body.value.order.unwrap_or_else(|| OrderId(caller.derive(key.as_str())));
    let ask = answer::ask(&caller, expected.and_then(|expected| expected.0), Some(&key), || fingerprint);
    let done = take_in(&app, order, body.value, ask).await?;
    let place = format!("/v1/orders/{order}");
    Ok(answer::made(Context::Orders, &done, &app.tokens, &place, Imported { order, version: done.version }))
}

async fn take_in(app: &App, order: OrderId, import: Import, ask: event_store::Ask) -> Result<Done, Problem> {
    let Import { customer, ordered_on, units, total: Amount { amount_minor, currency }, .. } = import;
    let total = Money { amount_minor, currency };
    let command = OrderCommand::ImportOrder { order, customer, ordered_on, units, total };
    let came = app.commands.orders.execute(&order.to_string(), command, ask).await;
    answer::counted("order", "ImportOrder", came).map_err(|no| answer::refused(no, field_of))
}

fn field_of(error: &OrderError) -> Option<&'static str> {
    match error {
        OrderError::AlreadyExists => Some("/order"),
        OrderError::BadUnits => Some("/units"),
        OrderError::BadTotal => Some("/total/amount_minor"),
        OrderError::BadDay => Some("/ordered_on"),
        OrderError::BadLines | OrderError::BadQuantity | OrderError::SeveralCurrencies | OrderError::NotThatMany => {
            Some("/lines")
        }
        OrderError::BadPaymentMethod => Some("/payment_method"),
        OrderError::BadTracking => Some("/tracking"),
        OrderError::ShipmentExists => Some("/shipment"),
        OrderError::NotFound
        | OrderError::Imported
        | OrderError::Cancelled
        | OrderError::NotConfirmed
        | OrderError::AlreadyShipped
        | OrderError::NothingLeft
        | OrderError::TooManyShipments
        | OrderError::NotShipped
        | OrderError::NotDelivered => None,
    }
}
