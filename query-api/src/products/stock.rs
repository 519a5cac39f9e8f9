//! How many pieces of each variant there are.

use axum::extract::State;
use axum::response::Response;
use envelope::Timestamp;
use event_schemas::Sku;
use event_schemas::ids::ProductId;
use platform::caller::Caller;
use platform::http::{IfNoneMatch, Page, PageRequest, Params, Path, Path2};
use platform::problem::Problem;
use platform::token::ConsistencyToken;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::READS;
use crate::app::{Api, failed, tagged};
use crate::fresh::fresh;

const STOCK: &str = "stock";

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(stock_of_product)).routes(routes!(stock))
}

/// The stock of a variant.
#[derive(Debug, Serialize, ToSchema)]
struct Stock {
    /// Of which product.
    product: Uuid,
    /// Of which of its variants.
    #[schema(example = "MUG-RED")]
    sku: String,
    /// How many pieces there are.
    #[schema(example = 10)]
    on_hand: i64,
    /// How many of them are kept for somebody.
    #[schema(example = 2)]
    reserved: i64,
    /// How many may be reserved.
    #[schema(example = 8)]
    available: i64,
    /// The number of its newest event.
    #[schema(example = 2)]
    version: i64,
    /// When it changed last.
    #[schema(value_type = String, format = DateTime)]
    changed_at: Timestamp,
}

/// List the stock of a product, by sku.
///
/// A variant of which nothing was ever received is not listed.
#[utoipa::path(
    get, path = "/v1/products/{product}/stock", tag = "products", operation_id = "listStock",
    params(("product" = Uuid, Path, description = "Of which.", example = "018f4e7a-0000-7000-8000-000000000003"),
           ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "A page; `Link` leads to the next.", headers(("Link")), body = Page<Stock>,
               example = json!({"data": [{"product": "018f4e7a-0000-7000-8000-000000000003", "sku": "MUG-RED",
                   "on_hand": 10, "reserved": 2, "available": 8, "version": 2,
                   "changed_at": "2026-11-21T09:00:00.000000Z"}], "next_cursor": null, "has_more": false})),
              Problem)
)]
async fn stock_of_product(
    State(app): State<Api>,
    _: Caller,
    Path(product): Path<ProductId>,
    token: ConsistencyToken,
    mut params: Params,
) -> Result<Response, Problem> {
    let page = PageRequest::<String>::read(&mut params, &app.tokens)?;
    let fresh = fresh(&app, STOCK, READS, &token).await?;
    let rows = sqlx::query_as!(
        Stock,
        r#"select product as "product!", sku as "sku!", on_hand as "on_hand!", reserved as "reserved!",
                  on_hand - reserved as "available!", version as "version!", changed_at as "changed_at!"
             from read.stock where product = $1 and sku > coalesce($2, '') order by sku limit $3"#,
        product.0,
        page.after(),
        page.rows(),
    )
    .fetch_all(&app.views)
    .await
    .map_err(failed)?;
    Ok(fresh.answer(page.page(&app.tokens, rows, |last| last.sku.clone())))
}

/// Show the stock of a variant.
#[utoipa::path(
    get, path = "/v1/products/{product}/stock/{sku}", tag = "products", operation_id = "getStock",
    params(("product" = Uuid, Path, description = "Of which.", example = "018f4e7a-0000-7000-8000-000000000003"),
           ("sku" = String, Path, description = "Which of its variants.", example = "MUG-RED"),
           ("If-None-Match" = Option<String>, Header),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "The stock; `ETag` is its version.", headers(("ETag")), body = Stock,
               example = json!({"product": "018f4e7a-0000-7000-8000-000000000003", "sku": "MUG-RED",
                   "on_hand": 10, "reserved": 2, "available": 8, "version": 2,
                   "changed_at": "2026-11-21T09:00:00.000000Z"})),
              (status = 304, description = "You have it.", headers(("ETag"))), Problem)
)]
async fn stock(
    State(app): State<Api>,
    _: Caller,
    Path2(product, sku): Path2<ProductId, Sku>,
    token: ConsistencyToken,
    held: IfNoneMatch,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let fresh = fresh(&app, STOCK, READS, &token).await?;
    let row = sqlx::query_as!(
        Stock,
        r#"select product as "product!", sku as "sku!", on_hand as "on_hand!", reserved as "reserved!",
                  on_hand - reserved as "available!", version as "version!", changed_at as "changed_at!"
             from read.stock where product = $1 and sku = $2"#,
        product.0,
        sku.as_str(),
    )
    .fetch_optional(&app.views)
    .await
    .map_err(failed)?;
    let Some(row) = row else {
        let detail = format!(
            "nothing of variant `{sku}` of product {product} was ever received, or not yet: \
             send the Consistency-Token of its receipt"
        );
        return Ok(fresh.answer(Problem::not_found("stock-not-found", detail)));
    };
    Ok(fresh.answer(tagged(&held, row.version, row)))
}
