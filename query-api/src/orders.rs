//! Orders, one by one, by customer, and summed up.

mod sales;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use envelope::Timestamp;
use event_schemas::Context;
use event_schemas::ids::{AccountId, OrderId};
use platform::caller::Caller;
use platform::http::{IfNoneMatch, Page, PageRequest, Params, Path};
use platform::problem::{Explanation, Problem};
use platform::token::ConsistencyToken;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::{Api, failed, state_filter, tagged};
use crate::fresh::fresh;

const ORDERS: &str = "orders";
const CUSTOMER_ORDERS: &str = "customer_orders";
/// How far an order can have come.
const STATES: [&str; 8] =
    ["placed", "reserved", "confirmed", "partly_shipped", "shipped", "delivered", "completed", "cancelled"];
const READS: &[Context] = &[Context::Orders];

/// What may be wrong with a question about orders.
pub(crate) const PROBLEMS: &[Explanation] = &[Explanation::new(
    "order-not-found",
    404,
    "There is no such order, or not yet: send the Consistency-Token of its answer.",
)];

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(orders))
        .routes(routes!(order))
        .routes(routes!(customer_orders))
        .merge(sales::routes())
}

/// An order.
#[derive(Debug, Serialize, ToSchema)]
struct Order {
    /// Which one.
    order: Uuid,
    /// Who bought.
    customer: Uuid,
    /// Who sells; null for an order that was imported.
    seller: Option<Uuid>,
    /// `placed`, `reserved`, `confirmed`, `partly_shipped`, `shipped`, `delivered`, `completed` or `cancelled`.
    #[schema(example = "completed")]
    state: String,
    /// Why it was cancelled, if it was.
    reason: Option<String>,
    /// The day of the purchase.
    ordered_on: NaiveDate,
    /// How many pieces.
    units: i64,
    /// What was paid for all of them, or is to be.
    total: Amount,
    /// What was ordered; null for an order that was imported.
    #[schema(value_type = Option<Vec<OrderLine>>)]
    lines: Option<Json<Box<RawValue>>>,
    /// What was sent; null for an order that was imported.
    #[schema(value_type = Option<Vec<OrderShipmentSent>>)]
    shipments: Option<Json<Box<RawValue>>>,
    /// The number of its newest event.
    version: i64,
    /// When it became known here.
    #[schema(value_type = String, format = DateTime)]
    recorded_at: Timestamp,
    /// When something happened to it last.
    #[schema(value_type = String, format = DateTime)]
    changed_at: Timestamp,
}

/// What was ordered, and how much of it was sent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it stands in the row as the API shows it, and is described here")]
struct OrderLine {
    /// Which product.
    product: Uuid,
    /// Which of its variants.
    #[schema(example = "MUG-RED")]
    sku: String,
    /// What it was called when it was ordered.
    #[schema(example = "Mug, Red")]
    title: String,
    /// How many pieces.
    #[schema(example = 2)]
    quantity: i64,
    /// How many of them were sent.
    #[schema(example = 0)]
    shipped: i64,
    /// What one piece cost when it was ordered.
    unit_price: Amount,
}

/// A shipment.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it stands in the row as the API shows it, and is described here")]
struct OrderShipmentSent {
    /// Which one.
    shipment: Uuid,
    /// Which pieces.
    lines: Vec<OrderShipmentLine>,
    /// By what the carrier knows it.
    tracking: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    shipped_at: Timestamp,
}

/// Pieces of a variant that were sent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it stands in the row as the API shows it, and is described here")]
struct OrderShipmentLine {
    /// Of which product.
    product: Uuid,
    /// Of which of its variants.
    sku: String,
    /// How many.
    quantity: i64,
}

/// An order in the list of a customer.
#[derive(Debug, Serialize, ToSchema)]
struct CustomerOrder {
    /// Which one.
    order: Uuid,
    /// How far it has come.
    #[schema(example = "completed")]
    state: String,
    /// The day of the purchase.
    ordered_on: NaiveDate,
    /// How many pieces.
    units: i64,
    /// What was paid for all of them.
    total: Amount,
    /// The number of its newest event.
    version: i64,
}

/// An amount of money in whole minor units.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Total)]
struct Amount {
    /// In the currency's smallest unit: 7700 is 77.00 USD.
    #[schema(example = 7700)]
    amount_minor: i64,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: String,
}

/// An order as it stands in its row.
struct OrderRow {
    order_id: Uuid,
    customer: Uuid,
    seller: Option<Uuid>,
    state: String,
    reason: Option<String>,
    ordered_on: NaiveDate,
    units: i64,
    amount_minor: i64,
    currency: String,
    lines: Option<Json<Box<RawValue>>>,
    shipments: Option<Json<Box<RawValue>>>,
    version: i64,
    recorded_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
}

impl From<OrderRow> for Order {
    fn from(row: OrderRow) -> Self {
        Self {
            order: row.order_id,
            customer: row.customer,
            seller: row.seller,
            state: row.state,
            reason: row.reason,
            ordered_on: row.ordered_on,
            units: row.units,
            total: Amount { amount_minor: row.amount_minor, currency: row.currency },
            lines: row.lines,
            shipments: row.shipments,
            version: row.version,
            recorded_at: Timestamp::new(row.recorded_at),
            changed_at: Timestamp::new(row.changed_at),
        }
    }
}

/// List orders.
#[utoipa::path(
    get, path = "/v1/orders", tag = "orders", operation_id = "listOrders",
    params(("filter[customer]" = Option<Uuid>, Query, description = "Only this account's."),
           ("filter[state]" = Option<String>, Query, description = "Only those that have come so far."),
           ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "A page; `Link` leads to the next.", headers(("Link")), body = Page<Order>,
               example = json!({"data": [{"order": "018f4e7a-0000-7000-8000-000000000002",
                   "customer": "018f4e7a-0000-7000-8000-000000000001", "seller": null, "state": "completed",
                   "reason": null, "ordered_on": "1997-01-12", "units": 5,
                   "total": {"amount_minor": 7700, "currency": "USD"}, "lines": null, "shipments": null, "version": 1,
                   "recorded_at": "2026-11-21T09:00:00.000000Z", "changed_at": "2026-11-21T09:00:00.000000Z"}],
                   "next_cursor": null, "has_more": false})),
              Problem)
)]
async fn orders(
    State(app): State<Api>,
    _: Caller,
    token: ConsistencyToken,
    mut params: Params,
) -> Result<Response, Problem> {
    let customer: Option<AccountId> = params.take("filter[customer]")?;
    let state = state_filter(&mut params, "an order", &STATES)?;
    let page = PageRequest::<Uuid>::read(&mut params, &app.tokens)?;
    let fresh = fresh(&app, ORDERS, READS, &token).await?;
    let rows = sqlx::query_as!(
        OrderRow,
        r#"select order_id as "order_id!", customer as "customer!", seller, state as "state!", reason,
                  ordered_on as "ordered_on!", units as "units!", amount_minor as "amount_minor!",
                  currency as "currency!", lines as "lines: Json<Box<RawValue>>",
                  shipments as "shipments: Json<Box<RawValue>>", version as "version!",
                  recorded_at as "recorded_at!", changed_at as "changed_at!"
             from read.orders
            where order_id > coalesce($1, '00000000-0000-0000-0000-000000000000'::uuid)
              and ($2::uuid is null or customer = $2)
              and ($3::text is null or state = $3)
            order by order_id limit $4"#,
        page.after().copied(),
        customer.map(|customer| customer.0),
        state,
        page.rows(),
    )
    .map(Order::from)
    .fetch_all(&app.views)
    .await
    .map_err(failed)?;
    Ok(fresh.answer(page.page(&app.tokens, rows, |last| last.order)))
}

/// Show an order.
#[utoipa::path(
    get, path = "/v1/orders/{order}", tag = "orders", operation_id = "getOrder",
    params(("order" = Uuid, Path, description = "Which one.", example = "018f4e7a-0000-7000-8000-000000000002"),
           ("If-None-Match" = Option<String>, Header),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "The order; `ETag` is its version.", headers(("ETag")), body = Order,
               example = json!({"order": "018f4e7a-0000-7000-8000-000000000002",
                   "customer": "018f4e7a-0000-7000-8000-000000000001", "seller": null, "state": "completed",
                   "reason": null, "ordered_on": "1997-01-12", "units": 5,
                   "total": {"amount_minor": 7700, "currency": "USD"}, "lines": null, "shipments": null, "version": 1,
                   "recorded_at": "2026-11-21T09:00:00.000000Z", "changed_at": "2026-11-21T09:00:00.000000Z"})),
              (status = 304, description = "You have it.", headers(("ETag"))), Problem)
)]
async fn order(
    State(app): State<Api>,
    _: Caller,
    Path(order): Path<OrderId>,
    token: ConsistencyToken,
    held: IfNoneMatch,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let fresh = fresh(&app, ORDERS, READS, &token).await?;
    let row = sqlx::query_as!(
        OrderRow,
        r#"select order_id as "order_id!", customer as "customer!", seller, state as "state!", reason,
                  ordered_on as "ordered_on!", units as "units!", amount_minor as "amount_minor!",
                  currency as "currency!", lines as "lines: Json<Box<RawValue>>",
                  shipments as "shipments: Json<Box<RawValue>>", version as "version!",
                  recorded_at as "recorded_at!", changed_at as "changed_at!"
             from read.orders where order_id = $1"#,
        order.0,
    )
    .map(Order::from)
    .fetch_optional(&app.views)
    .await
    .map_err(failed)?;
    let Some(row) = row else {
        let detail = format!("there is no order {order}, or not yet: send the Consistency-Token of its answer");
        return Ok(fresh.answer(Problem::not_found("order-not-found", detail)));
    };
    Ok(fresh.answer(tagged(&held, row.version, row)))
}

/// List the orders of a customer, newest day first.
#[utoipa::path(
    get, path = "/v1/customers/{account}/orders", tag = "orders", operation_id = "listCustomerOrders",
    params(("account" = Uuid, Path, description = "Whose.", example = "018f4e7a-0000-7000-8000-000000000001"),
           ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "A page, empty for somebody who bought nothing; `Link` leads to the next.",
               headers(("Link")), body = Page<CustomerOrder>,
               example = json!({"data": [{"order": "018f4e7a-0000-7000-8000-000000000002", "state": "completed",
                   "ordered_on": "1997-01-12",
                   "units": 5, "total": {"amount_minor": 7700, "currency": "USD"}, "version": 1}],
                   "next_cursor": null, "has_more": false})),
              Problem)
)]
async fn customer_orders(
    State(app): State<Api>,
    _: Caller,
    Path(account): Path<AccountId>,
    token: ConsistencyToken,
    mut params: Params,
) -> Result<Response, Problem> {
    let page = PageRequest::<(NaiveDate, Uuid)>::read(&mut params, &app.tokens)?;
    let fresh = fresh(&app, CUSTOMER_ORDERS, READS, &token).await?;
    let (day, order) = page.after().copied().unzip();
    let rows = sqlx::query!(
        r#"select order_id as "order_id!", state as "state!", ordered_on as "ordered_on!", units as "units!",
                  amount_minor as "amount_minor!", currency as "currency!", version as "version!"
             from read.customer_orders
            where customer = $1 and ($2::date is null or (ordered_on, order_id) < ($2, $3::uuid))
            order by ordered_on desc, order_id desc limit $4"#,
        account.0,
        day,
        order,
        page.rows(),
    )
    .map(|row| CustomerOrder {
        order: row.order_id,
        state: row.state,
        ordered_on: row.ordered_on,
        units: row.units,
        total: Amount { amount_minor: row.amount_minor, currency: row.currency },
        version: row.version,
    })
    .fetch_all(&app.views)
    .await
    .map_err(failed)?;
    Ok(fresh.answer(page.page(&app.tokens, rows, |last| (last.ordered_on, last.order))))
}
