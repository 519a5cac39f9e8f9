//! Buying: what is wanted is priced from the catalogue, and what the buyer has seen is compared with it.

use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use domain::Refusal as _;
use domain::orders::{LINES_MAX, OrderCommand, Placing};
use domain::products::ProductError;
use event_schemas::ids::{AccountId, OrderId, ProductId};
use event_schemas::orders::OrderLine;
use event_schemas::{Context, Money, Sku};
use event_store::Done;
use futures::{StreamExt as _, TryStreamExt as _};
use platform::caller::Caller;
use platform::clock;
use platform::http::{IdempotencyKey, IfMatch, RawJson, fingerprint};
use platform::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Amount, App, field_of};
use crate::answer;

/// How many products are looked up at once.
const LOOK_UPS_MAX: usize = 8;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(place))
}

/// What somebody wants to buy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrderPlacing)]
struct Wanted {
    /// The id, if the sender has one; otherwise it follows from caller and Idempotency-Key.
    #[schema(value_type = Option<Uuid>)]
    order: Option<OrderId>,
    /// Who buys.
    #[schema(value_type = Uuid, example = "018f4e7a-0000-7000-8000-000000000001")]
    customer: AccountId,
    /// What, all of one seller and in one currency. Lines of the same variant are added up.
    #[schema(min_items = 1, max_items = 100)]
    lines: Vec<WantedLine>,
    /// With what it is to be paid: a token of the payment provider, never the number of a card.
    #[schema(example = "pm_sim_ok", pattern = "^[A-Za-z0-9_-]{1,64}$")]
    payment_method: String,
}

/// Pieces of a variant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrderLineWanted)]
struct WantedLine {
    /// Which product.
    #[schema(value_type = Uuid, example = "018f4e7a-0000-7000-8000-000000000003")]
    product: ProductId,
    /// Which of its variants.
    #[schema(value_type = String, example = "MUG-RED", pattern = "^[A-Za-z0-9._-]{1,64}$")]
    sku: Sku,
    /// How many.
    #[schema(example = 2, minimum = 1, maximum = 1_000_000)]
    quantity: i64,
    /// What one piece costs as far as the buyer knows; another price is refused. Without it the catalogue's holds.
    unit_price: Option<Amount>,
}

/// An order that was placed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderPlaced)]
struct Placed {
    /// Which one.
    #[schema(value_type = Uuid)]
    order: OrderId,
    /// Its version now.
    #[schema(example = 1)]
    version: i64,
}

/// Place an order.
///
/// Its pieces are reserved, all or none, and it is paid; `Location` shows how far it has come. A repeat with the same
/// content changes nothing.
#[utoipa::path(
    post, path = "/v1/orders", tag = "orders", operation_id = "placeOrder",
    request_body(content = Wanted, example = json!({
        "customer": "018f4e7a-0000-7000-8000-000000000001",
        "lines": [{"product": "018f4e7a-0000-7000-8000-000000000003", "sku": "MUG-RED", "quantity": 2,
                   "unit_price": {"amount_minor": 1200, "currency": "USD"}}],
        "payment_method": "pm_sim_ok"})),
    params(("Idempotency-Key" = String, Header,
            description = "Names this request, so that a repeat does not do it twice.",
            example = "7d444840-9dc0-4ad1-b245-5ffdce74fad2"),
           ("If-Match" = Option<String>, Header, description = "The version it is made for.", example = "\"0\"")),
    responses(
        (status = 202, description = "Placed; what follows is under way. `Location` shows the order and its state.",
         headers(("ETag"), ("Location"), ("Retry-After"), ("Consistency-Token"), ("Idempotent-Replayed")),
         body = Placed, example = json!({"order": "018f4e7a-0000-7000-8000-000000000002", "version": 1})),
        (status = 200, description = "It was placed before, with the same content.",
         headers(("ETag"), ("Location"), ("Retry-After"), ("Consistency-Token"), ("Idempotent-Replayed")),
         body = Placed, example = json!({"order": "018f4e7a-0000-7000-8000-000000000002", "version": 1})),
        Problem)
)]
async fn place(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    expected: Option<IfMatch>,
    body: RawJson<Wanted>,
) -> Result<Response, Problem> {
    let print = || fingerprint(&app.tokens, &Method::POST, "/v1/orders", &body.bytes);
    let ask = answer::ask(&caller, expected.and_then(|expected| expected.0), Some(&key), print);
    let Wanted { order, customer, lines, payment_method } = body.value;
    let order = order.unwrap_or_else(|| OrderId(caller.derive(key.as_str())));
    let at = clock::now();
    let priced = priced(&app, lines).await;
    // What is not to be had any more was perhaps ordered by this very request before: an order without lines is always
    // refused, and before it is, the answer that was given under its key.
    let (seller, lines) = priced.as_ref().map_or((AccountId(order.0), vec![]), Clone::clone);
    let placing = Placing { order, customer, seller, lines, payment_method, at };
    let came = app.commands.orders.execute(&order.to_string(), OrderCommand::Place(Box::new(placing)), ask).await;
    let done: Done = match (answer::counted("order", "Place", came), priced) {
        (Ok(done), _) => done,
        (Err(refused @ event_store::Refused::KeyReused), Err(_)) => return Err(answer::refused(refused, field_of)),
        (Err(_), Err(problem)) => return Err(problem),
        (Err(refused), Ok(_)) => return Err(answer::refused(refused, field_of)),
    };
    let place = format!("/v1/orders/{order}");
    let mut response =
        answer::made(Context::Orders, &done, &app.tokens, &place, Placed { order, version: done.version });
    if response.status() == StatusCode::CREATED {
        *response.status_mut() = StatusCode::ACCEPTED;
    }
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    Ok(response)
}

/// The lines as the catalogue has them now, and who sells them.
async fn priced(app: &App, lines: Vec<WantedLine>) -> Result<(AccountId, Vec<OrderLine>), Problem> {
    if !(1..=LINES_MAX).contains(&lines.len()) {
        let why = format!("an order has 1 to {LINES_MAX} lines");
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "order-lines-invalid", why.clone());
        return Err(problem.at("/lines", why));
    }
    let look_ups = lines.into_iter().enumerate().map(|(index, line)| priced_line(app, index, line));
    let priced: Vec<_> = futures::stream::iter(look_ups).buffered(LOOK_UPS_MAX).try_collect().await?;
    let mut sellers = priced.iter().map(|(seller, _)| *seller);
    let Some(seller) = sellers.next().filter(|first| sellers.all(|seller| seller == *first)) else {
        let why = "the products are of several sellers; place an order for each";
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "order-several-sellers", why);
        return Err(problem.at("/lines", why));
    };
    Ok((seller, priced.into_iter().map(|(_, line)| line).collect()))
}

async fn priced_line(app: &App, index: usize, line: WantedLine) -> Result<(AccountId, OrderLine), Problem> {
    let WantedLine { product, sku, quantity, unit_price } = line;
    let offered = app.commands.catalogue.product(product).await.map_err(|error| answer::broken(&error))?;
    let offer = offered.offer(&sku).and_then(|offer| match &unit_price {
        Some(Amount { amount_minor, currency })
            if (Money { amount_minor: *amount_minor, currency: *currency }) != offer.price =>
        {
            Err(ProductError::PriceChanged { now: offer.price })
        }
        Some(_) | None => Ok(offer),
    });
    let offer = offer.map_err(|refused| {
        let field = match &refused {
            ProductError::NoSuchVariant => "sku",
            ProductError::PriceChanged { .. } => "unit_price",
            _ => "product",
        };
        let detail = format!("{refused}; nothing was changed");
        let problem = Problem::new(answer::status(refused.kind()), refused.code(), detail);
        problem.at(format!("/lines/{index}/{field}"), refused)
    })?;
    Ok((offer.seller, OrderLine { product, sku, title: offer.title, quantity, unit_price: offer.price }))
}
