//! Products and their stock over HTTP. Nothing is decided here.

mod lease;
mod problems;
mod reservations;
mod stages;
mod stock;

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use domain::products::{Changes, Draft, Edit, Product, ProductCommand, ProductError, Shown, Stock};
use event_schemas::ids::{AccountId, ProductId};
use event_schemas::products::Variant;
use event_schemas::{Context, Currency, Money, Sku};
use event_store::{Ask, Done};
use platform::caller::Caller;
use platform::clock;
use platform::http::{IdempotencyKey, IfMatch, MergePatch, Path, RawJson, fingerprint, not_null};
use platform::problem::Problem;
use platform::token::TokenKey;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer;

pub(crate) use problems::PROBLEMS;

/// What the commands of this context need.
#[derive(Clone)]
pub struct Commands {
    /// Decides on products.
    pub products: event_store::Commands<Product>,
    /// Decides on their stock.
    pub stock: event_store::Commands<Stock>,
}

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) commands: Commands,
    pub(crate) tokens: TokenKey,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(draft))
        .routes(routes!(revise))
        .merge(stages::routes())
        .merge(lease::routes())
        .merge(stock::routes())
        .merge(reservations::routes())
}

/// What may be sold later.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProductDraft)]
struct Drafting {
    /// The id, if the sender has one; otherwise it follows from caller and Idempotency-Key.
    #[schema(value_type = Option<Uuid>)]
    product: Option<ProductId>,
    /// Who sells it.
    #[schema(value_type = Uuid, example = "018f4e7a-0000-7000-8000-000000000001")]
    seller: AccountId,
    /// What it is called.
    #[schema(example = "Mug", min_length = 1, max_length = 200)]
    title: String,
    /// What there is to say about it.
    #[serde(default)]
    #[schema(example = "Holds tea.", max_length = 20000)]
    description: String,
    /// What one piece costs, whatever the variant.
    price: Price,
    /// Under what it is found: words of small letters and digits, joined by hyphens.
    #[serde(default)]
    #[schema(max_items = 10, example = json!(["kitchen", "gifts"]))]
    categories: Vec<String>,
    /// Where its picture is.
    #[schema(example = "https://media.example.org/mug.jpg", max_length = 2048)]
    media: Option<String>,
    /// In which forms it is sold; they never change.
    #[schema(min_items = 1, max_items = 100)]
    variants: Vec<VariantDraft>,
}

/// One form in which a product is sold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct VariantDraft {
    /// Names it within its product.
    #[schema(value_type = String, example = "MUG-RED", pattern = "^[A-Za-z0-9._-]{1,64}$")]
    sku: Sku,
    /// What it is called.
    #[schema(example = "Red", min_length = 1, max_length = 200)]
    title: String,
}

/// What one piece costs, in whole minor units.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Price {
    /// In the currency's smallest unit: 1200 is 12.00 USD.
    #[schema(example = 1200, minimum = 0)]
    amount_minor: i64,
    /// ISO 4217.
    #[schema(value_type = String, example = "USD", pattern = "^[A-Z]{3}$")]
    currency: Currency,
}

/// A product that was drafted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProductDrafted)]
struct Drafted {
    /// Which product.
    #[schema(value_type = Uuid)]
    product: ProductId,
    /// Its version now.
    #[schema(example = 1)]
    version: i64,
}

/// What is to be otherwise; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProductChanges)]
struct Revision {
    /// What it is called.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = String, required = false, example = "Tea mug", min_length = 1, max_length = 200)]
    title: Option<String>,
    /// What there is to say about it.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = String, required = false, example = "Holds tea and coffee.", max_length = 20000)]
    description: Option<String>,
    /// What one piece costs.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Price, required = false)]
    price: Option<Price>,
    /// Under what it is found, all of it.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Vec<String>, required = false, max_items = 10)]
    categories: Option<Vec<String>>,
    /// Where its picture is; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "https://media.example.org/mug-2.jpg", max_length = 2048)]
    media: Option<Option<String>>,
}

/// A field of a patch that can be removed: absent is `None`, null is `Some(None)`.
fn given<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(reader).map(Some)
}

impl From<Price> for Money {
    fn from(Price { amount_minor, currency }: Price) -> Self {
        Self { amount_minor, currency }
    }
}

impl From<VariantDraft> for Variant {
    fn from(VariantDraft { sku, title }: VariantDraft) -> Self {
        Self { sku, title }
    }
}

/// Draft a product.
///
/// A repeat with the same content changes nothing.
#[utoipa::path(
    post, path = "/v1/products", tag = "products", operation_id = "draftProduct",
    request_body(content = Drafting, example = json!({
        "seller": "018f4e7a-0000-7000-8000-000000000001", "title": "Mug", "description": "Holds tea.",
        "price": {"amount_minor": 1200, "currency": "USD"}, "categories": ["kitchen", "gifts"],
        "media": "https://media.example.org/mug.jpg",
        "variants": [{"sku": "MUG-RED", "title": "Red"}, {"sku": "MUG-BLUE", "title": "Blue"}]})),
    params(("Idempotency-Key" = String, Header,
            description = "Names this request, so that a repeat does not do it twice.",
            example = "7d444840-9dc0-4ad1-b245-5ffdce74fad2"),
           ("If-Match" = Option<String>, Header, description = "The version it is made for.", example = "\"0\"")),
    responses(
        (status = 201, description = "Drafted; `Location`, `ETag` and `Consistency-Token` say where and when.",
         headers(("ETag"), ("Location"), ("Consistency-Token"), ("Idempotent-Replayed")), body = Drafted,
         example = json!({"product": "018f4e7a-0000-7000-8000-000000000003", "version": 1})),
        (status = 200, description = "It was drafted before, with the same content.",
         headers(("ETag"), ("Location"), ("Consistency-Token"), ("Idempotent-Replayed")), body = Drafted,
         example = json!({"product": "018f4e7a-0000-7000-8000-000000000003", "version": 1})),
        Problem)
)]
async fn draft(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    expected: Option<IfMatch>,
    body: RawJson<Drafting>,
) -> Result<Response, Problem> {
    let print = || fingerprint(&app.tokens, &Method::POST, "/v1/products", &body.bytes);
    let ask = answer::ask(&caller, expected.and_then(|expected| expected.0), Some(&key), print);
    let Drafting { product, seller, title, description, price, categories, media, variants } = body.value;
    let product = product.unwrap_or_else(|| ProductId(caller.derive(key.as_str())));
    let shown = Shown { title, description, price: price.into(), categories, media };
    let variants = variants.into_iter().map(Variant::from).collect();
    let command = ProductCommand::Draft(Box::new(Draft { product, seller, shown, variants }));
    let done = decided(&app, product, "Draft", command, ask).await?;
    let place = format!("/v1/products/{product}");
    Ok(answer::made(Context::Products, &done, &app.tokens, &place, Drafted { product, version: done.version }))
}

/// Change what a product shows.
///
/// Each field that becomes another one is an event of its own, all of them or none.
#[utoipa::path(
    patch, path = "/v1/products/{product}", tag = "products", operation_id = "reviseProduct",
    request_body(content = Revision, content_type = "application/merge-patch+json",
                 example = json!({"title": "Tea mug", "price": {"amount_minor": 1400, "currency": "USD"}})),
    params(("product" = Uuid, Path, description = "Which product.", example = "018f4e7a-0000-7000-8000-000000000003"),
           ("If-Match" = String, Header,
            description = "The ETag of the version that the change was made for.", example = "\"1\""),
           ("Idempotency-Key" = Option<String>, Header,
            description = "Names this request, so that a repeat does not do it twice.")),
    responses(
        (status = 204, description = "It shows that; `ETag` has the version, `Consistency-Token` the place.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn revise(
    State(app): State<App>,
    caller: Caller,
    Path(product): Path<ProductId>,
    IfMatch(expected): IfMatch,
    key: Option<IdempotencyKey>,
    body: MergePatch<Revision>,
) -> Result<Response, Problem> {
    let print = || fingerprint(&app.tokens, &Method::PATCH, &format!("/v1/products/{product}"), &body.bytes);
    let ask = answer::ask(&caller, expected, key.as_ref(), print);
    let Revision { title, description, price, categories, media } = body.value;
    let changes = Changes { title, description, price: price.map(Money::from), categories, media };
    let done = edited(&app, &caller, product, "Revise", Edit::Revise(Box::new(changes)), ask).await?;
    Ok(answer::changed(Context::Products, &done, &app.tokens))
}

/// Asks a product to change, as the caller and now.
async fn edited(
    app: &App,
    caller: &Caller,
    product: ProductId,
    name: &'static str,
    edit: Edit,
    ask: Ask,
) -> Result<Done, Problem> {
    let command = ProductCommand::Edit { by: caller.name().to_owned(), at: clock::now(), edit };
    decided(app, product, name, command, ask).await
}

async fn decided(
    app: &App,
    product: ProductId,
    name: &'static str,
    command: ProductCommand,
    ask: Ask,
) -> Result<Done, Problem> {
    let came = app.commands.products.execute(&product.to_string(), command, ask).await;
    answer::counted("product", name, came).map_err(|no| answer::refused(no, field_of))
}

fn field_of(error: &ProductError) -> Option<&'static str> {
    match error {
        ProductError::AlreadyDrafted => Some("/product"),
        ProductError::BadTitle => Some("/title"),
        ProductError::BadDescription => Some("/description"),
        ProductError::BadPrice => Some("/price/amount_minor"),
        ProductError::BadCategories => Some("/categories"),
        ProductError::BadMedia => Some("/media"),
        ProductError::BadVariants => Some("/variants"),
        ProductError::BadReason => Some("/reason"),
        ProductError::BadLease => Some("/until"),
        ProductError::NotFound
        | ProductError::Leased { .. }
        | ProductError::NotADraft
        | ProductError::NotProposed
        | ProductError::NotApproved
        | ProductError::InReview
        | ProductError::Archived
        | ProductError::NotForSale
        | ProductError::NoSuchVariant
        | ProductError::PriceChanged { .. } => None,
    }
}
