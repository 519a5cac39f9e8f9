//! How many pieces of a variant come in, and how many there are after somebody has counted.

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use domain::products::{StockCommand, StockError};
use event_schemas::ids::ProductId;
use event_schemas::{Context, Sku};
use event_store::{Ask, Done};
use platform::caller::Caller;
use platform::http::{IdempotencyKey, IfMatch, Path2, RawJson, fingerprint};
use platform::problem::Problem;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use crate::answer;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(receive)).routes(routes!(adjust))
}

/// Pieces that came in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Receipt {
    /// How many.
    #[schema(example = 10, minimum = 1, maximum = 1_000_000)]
    quantity: i64,
}

/// What counting brought to light.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Correction {
    /// How many more there are, or fewer if negative; not 0.
    #[schema(example = -1, minimum = -1_000_000, maximum = 1_000_000)]
    change: i64,
    /// Why.
    #[schema(example = "broken", min_length = 1, max_length = 1000)]
    reason: String,
}

/// The stock of a variant.
pub(super) struct Place {
    pub(super) product: ProductId,
    pub(super) sku: Sku,
}

impl Place {
    /// The id of its aggregate. A sku has no `/`, so no two variants have the same.
    fn id(&self) -> String {
        format!("{}/{}", self.product, self.sku)
    }

    /// Where it is read, and below which its commands are.
    pub(super) fn path(&self) -> String {
        format!("/v1/products/{}/stock/{}", self.product, self.sku)
    }

    pub(super) async fn ask(
        &self,
        app: &App,
        name: &'static str,
        command: StockCommand,
        ask: Ask,
    ) -> Result<Done, Problem> {
        let came = app.commands.stock.execute(&self.id(), command, ask).await;
        answer::counted("stock", name, came).map_err(|no| answer::refused(no, field_of))
    }

    /// Only of what is sold can anything come in. The variants of a product never change, so what was read stays true.
    async fn check(&self, app: &App) -> Result<(), Problem> {
        let loaded = app.commands.products.load(&self.product.to_string()).await;
        let (version, product) = loaded.map_err(|error| answer::broken(&error))?;
        if version == 0 {
            let detail = format!("there is no product {}; nothing was changed", self.product);
            return Err(Problem::not_found("product-not-found", detail));
        }
        if product.variants().iter().any(|variant| variant.sku == self.sku) {
            return Ok(());
        }
        let detail = format!("product {} has no variant with this sku; nothing was changed", self.product);
        Err(Problem::not_found("variant-not-found", detail))
    }
}

/// Take in pieces of a variant.
#[utoipa::path(
    post, path = "/v1/products/{product}/stock/{sku}/receive", tag = "products", operation_id = "receiveStock",
    request_body(content = Receipt, example = json!({"quantity": 10})),
    params(("product" = Uuid, Path, description = "Which product.", example = "018f4e7a-0000-7000-8000-000000000003"),
           ("sku" = String, Path, description = "Which of its variants.", example = "MUG-RED"),
           ("Idempotency-Key" = String, Header,
            description = "Names this request, so that a repeat does not do it twice.",
            example = "7d444840-9dc0-4ad1-b245-5ffdce74fad2"),
           ("If-Match" = Option<String>, Header, description = "The version of the stock it is made for.")),
    responses(
        (status = 204, description = "They are on hand; `ETag` has the version of the stock.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn receive(
    State(app): State<App>,
    caller: Caller,
    Path2(product, sku): Path2<ProductId, Sku>,
    key: IdempotencyKey,
    expected: Option<IfMatch>,
    body: RawJson<Receipt>,
) -> Result<Response, Problem> {
    let place = Place { product, sku };
    place.check(&app).await?;
    let print = || fingerprint(&app.tokens, &Method::POST, &format!("{}/receive", place.path()), &body.bytes);
    let ask = answer::ask(&caller, expected.and_then(|expected| expected.0), Some(&key), print);
    let command = StockCommand::Receive { product, sku: place.sku.clone(), quantity: body.value.quantity };
    let done = place.ask(&app, "Receive", command, ask).await?;
    Ok(answer::changed(Context::Products, &done, &app.tokens))
}

/// Correct how many pieces of a variant there are.
///
/// What is reserved must still be there.
#[utoipa::path(
    post, path = "/v1/products/{product}/stock/{sku}/adjust", tag = "products", operation_id = "adjustStock",
    request_body(content = Correction, example = json!({"change": -1, "reason": "broken"})),
    params(("product" = Uuid, Path, description = "Which product.", example = "018f4e7a-0000-7000-8000-000000000003"),
           ("sku" = String, Path, description = "Which of its variants.", example = "MUG-RED"),
           ("Idempotency-Key" = String, Header,
            description = "Names this request, so that a repeat does not do it twice.",
            example = "7d444840-9dc0-4ad1-b245-5ffdce74fad2"),
           ("If-Match" = Option<String>, Header, description = "The version of the stock it is made for.")),
    responses(
        (status = 204, description = "So many are on hand; `ETag` has the version of the stock.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn adjust(
    State(app): State<App>,
    caller: Caller,
    Path2(product, sku): Path2<ProductId, Sku>,
    key: IdempotencyKey,
    expected: Option<IfMatch>,
    body: RawJson<Correction>,
) -> Result<Response, Problem> {
    let place = Place { product, sku };
    let print = || fingerprint(&app.tokens, &Method::POST, &format!("{}/adjust", place.path()), &body.bytes);
    let ask = answer::ask(&caller, expected.and_then(|expected| expected.0), Some(&key), print);
    let Correction { change, reason } = body.value;
    let done = place.ask(&app, "Adjust", StockCommand::Adjust { change, reason }, ask).await?;
    Ok(answer::changed(Context::Products, &done, &app.tokens))
}

fn field_of(error: &StockError) -> Option<&'static str> {
    match error {
        StockError::BadQuantity | StockError::NotEnough { .. } => Some("/quantity"),
        StockError::BadChange | StockError::BelowReserved { .. } => Some("/change"),
        StockError::BadReason => Some("/reason"),
        StockError::BadEnd => Some("/until"),
        StockError::AlreadyReserved | StockError::AlreadyFinished => Some("/reservation"),
        StockError::NotFound
        | StockError::Full
        | StockError::TooManyOpen
        | StockError::NoReservation
        | StockError::AlreadyCommitted
        | StockError::AlreadyReleased => None,
    }
}
