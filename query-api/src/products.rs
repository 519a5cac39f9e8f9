//! Products as they are shown, in whatever state.

pub(crate) mod cache;
pub(crate) mod load;
mod stock;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use envelope::Timestamp;
use event_schemas::Context;
use event_schemas::ids::{AccountId, ProductId};
use platform::caller::Caller;
use platform::http::{IfNoneMatch, Page, PageRequest, Params, Path};
use platform::problem::{Explanation, Problem};
use platform::token::ConsistencyToken;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::load::load;
use crate::app::{Api, failed, state_filter};
use crate::fresh::fresh;

const PRODUCTS: &str = "products";
/// How far a product can have come.
const STATES: [&str; 5] = ["draft", "proposed", "published", "unlisted", "archived"];
const READS: &[Context] = &[Context::Products];

/// What may be wrong with a question about products.
pub(crate) const PROBLEMS: &[Explanation] = &[
    Explanation::new(
        "product-not-found",
        404,
        "There is no such product, or not yet: send the Consistency-Token of its draft.",
    ),
    Explanation::new(
        "stock-not-found",
        404,
        "Nothing of this variant was ever received. Receive some first, or look whether product and sku are right.",
    ),
];

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(products)).routes(routes!(product)).merge(stock::routes())
}

/// A product.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Product {
    /// Which one.
    product: Uuid,
    /// Who sells it.
    seller: Uuid,
    /// How far it has come: `draft`, `proposed`, `published`, `unlisted` or `archived`.
    #[schema(example = "published")]
    state: String,
    /// What it is called.
    #[schema(example = "Mug")]
    title: String,
    /// What there is to say about it.
    #[schema(example = "Holds tea.")]
    description: String,
    /// What one piece costs.
    price: ShownPrice,
    /// Under what it is found.
    categories: Vec<String>,
    /// Where its picture is.
    media: Option<String>,
    /// In which forms it is sold.
    #[schema(value_type = Vec<Variant>)]
    variants: Json<Vec<Variant>>,
    /// Who took the right to edit it alone, if anybody did. It may have lapsed.
    lease: Option<Lease>,
    /// The number of its newest event.
    #[schema(example = 3)]
    version: i64,
    /// Since when it is known.
    #[schema(value_type = String, format = DateTime)]
    drafted_at: Timestamp,
    /// When it changed last.
    #[schema(value_type = String, format = DateTime)]
    changed_at: Timestamp,
}

/// What one piece costs, in whole minor units.
#[derive(Debug, Serialize, ToSchema)]
struct ShownPrice {
    /// In the currency's smallest unit: 1200 is 12.00 USD.
    #[schema(example = 1200)]
    amount_minor: i64,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: String,
}

/// One form in which a product is sold.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct Variant {
    /// Names it within its product.
    #[schema(example = "MUG-RED")]
    sku: String,
    /// What it is called.
    #[schema(example = "Red")]
    title: String,
}

/// The right to edit a product alone.
#[derive(Debug, Serialize, ToSchema)]
struct Lease {
    /// Whose.
    #[schema(example = "ana")]
    by: String,
    /// When it lapses.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

/// A product as it stands in its row.
struct ProductRow {
    product: Uuid,
    seller: Uuid,
    state: String,
    title: String,
    description: String,
    amount_minor: i64,
    currency: String,
    categories: Vec<String>,
    media: Option<String>,
    variants: Json<Vec<Variant>>,
    lease_by: Option<String>,
    lease_until: Option<DateTime<Utc>>,
    version: i64,
    drafted_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
}

impl From<ProductRow> for Product {
    fn from(row: ProductRow) -> Self {
        let lease = row.lease_by.zip(row.lease_until);
        Self {
            product: row.product,
            seller: row.seller,
            state: row.state,
            title: row.title,
            description: row.description,
            price: ShownPrice { amount_minor: row.amount_minor, currency: row.currency },
            categories: row.categories,
            media: row.media,
            variants: row.variants,
            lease: lease.map(|(by, until)| Lease { by, until: Timestamp::new(until) }),
            version: row.version,
            drafted_at: Timestamp::new(row.drafted_at),
            changed_at: Timestamp::new(row.changed_at),
        }
    }
}

/// List products.
#[utoipa::path(
    get, path = "/v1/products", tag = "products", operation_id = "listProducts",
    params(("filter[state]" = Option<String>, Query, description = "Only those in this state.", example = "published"),
           ("filter[category]" = Option<String>, Query, description = "Only those in this category.",
            example = "kitchen"),
           ("filter[seller]" = Option<Uuid>, Query, description = "Only this account's."),
           ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "A page; `Link` leads to the next.", headers(("Link")),
               body = Page<Product>,
               example = json!({"data": [{"product": "018f4e7a-0000-7000-8000-000000000003",
                   "seller": "018f4e7a-0000-7000-8000-000000000001", "state": "published", "title": "Mug",
                   "description": "Holds tea.", "price": {"amount_minor": 1200, "currency": "USD"},
                   "categories": ["kitchen", "gifts"], "media": "https://media.example.org/mug.jpg",
                   "variants": [{"sku": "MUG-RED", "title": "Red"}], "lease": null, "version": 3,
                   "drafted_at": "2026-11-21T09:00:00.000000Z", "changed_at": "2026-11-21T09:05:00.000000Z"}],
                   "next_cursor": null, "has_more": false})),
              Problem)
)]
async fn products(
    State(app): State<Api>,
    _: Caller,
    token: ConsistencyToken,
    mut params: Params,
) -> Result<Response, Problem> {
    let state = state_filter(&mut params, "a product", &STATES)?;
    let category: Option<String> = params.take("filter[category]")?;
    let seller: Option<AccountId> = params.take("filter[seller]")?;
    let page = PageRequest::<Uuid>::read(&mut params, &app.tokens)?;
    let fresh = fresh(&app, PRODUCTS, READS, &token).await?;
    let rows = sqlx::query_as!(
        ProductRow,
        r#"select product as "product!", seller as "seller!", state as "state!", title as "title!",
                  description as "description!", amount_minor as "amount_minor!", currency as "currency!",
                  categories as "categories!", media, variants as "variants!: Json<Vec<Variant>>", lease_by,
                  lease_until, version as "version!", drafted_at as "drafted_at!", changed_at as "changed_at!"
             from read.products
            where product > coalesce($1, '00000000-0000-0000-0000-000000000000'::uuid)
              and ($2::text is null or state = $2) and ($3::text is null or categories @> array[$3])
              and ($4::uuid is null or seller = $4)
            order by product limit $5"#,
        page.after().copied(),
        state,
        category,
        seller.map(|seller| seller.0),
        page.rows(),
    )
    .map(Product::from)
    .fetch_all(&app.views)
    .await
    .map_err(failed)?;
    Ok(fresh.answer(page.page(&app.tokens, rows, |last| last.product)))
}

/// Show a product.
#[utoipa::path(
    get, path = "/v1/products/{product}", tag = "products", operation_id = "getProduct",
    params(("product" = Uuid, Path, description = "Which one.", example = "018f4e7a-0000-7000-8000-000000000003"),
           ("If-None-Match" = Option<String>, Header),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "The product; `ETag` is its version.", headers(("ETag")), body = Product,
               example = json!({"product": "018f4e7a-0000-7000-8000-000000000003",
                   "seller": "018f4e7a-0000-7000-8000-000000000001", "state": "published", "title": "Mug",
                   "description": "Holds tea.", "price": {"amount_minor": 1200, "currency": "USD"},
                   "categories": ["kitchen", "gifts"], "media": "https://media.example.org/mug.jpg",
                   "variants": [{"sku": "MUG-RED", "title": "Red"}], "lease": null, "version": 3,
                   "drafted_at": "2026-11-21T09:00:00.000000Z", "changed_at": "2026-11-21T09:05:00.000000Z"})),
              (status = 304, description = "You have it.", headers(("ETag"))), Problem)
)]
async fn product(
    State(app): State<Api>,
    _: Caller,
    Path(product): Path<ProductId>,
    token: ConsistencyToken,
    held: IfNoneMatch,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    if let Some(known) = app.products.get(product.0, &token) {
        return Ok(known.answer(&held));
    }
    if let Some(known) = app.products.shared(product.0, &token).await {
        return Ok(known.answer(&held));
    }
    let fresh = fresh(&app, PRODUCTS, READS, &token).await?;
    let loading = app.products.begin(product.0);
    // What is not kept need not be known as of a place.
    let Some((known, as_of)) = load(&app, product, loading.is_some()).await? else {
        let detail = format!("there is no product {product}, or not yet: send the Consistency-Token of its draft");
        return Ok(fresh.answer(Problem::not_found("product-not-found", detail)));
    };
    if let Some((loading, as_of)) = loading.zip(as_of) {
        loading.put(known.clone(), as_of);
        app.products.share(product.0, &known, as_of);
    }
    Ok(fresh.answer(known.answer(&held)))
}
