//! What somebody would write who wants the same answers and nothing else.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::{Client, NoTls, Statement};
use uuid::Uuid;

const SQL: &str = "select product, seller, state, title, description, amount_minor, currency, categories, media,
                          variants, lease_by, lease_until, version, drafted_at, changed_at
                     from read.products where product = $1";

/// One connection for all, over which requests follow each other without waiting, as its documentation says.
struct Database {
    client: Client,
    statement: Statement,
}

#[derive(Serialize)]
struct Product {
    product: Uuid,
    seller: Uuid,
    state: String,
    title: String,
    description: String,
    price: Price,
    categories: Vec<String>,
    media: Option<String>,
    variants: Value,
    lease: Option<Lease>,
    version: i64,
    drafted_at: String,
    changed_at: String,
}

#[derive(Serialize)]
struct Price {
    amount_minor: i64,
    currency: String,
}

#[derive(Serialize)]
struct Lease {
    by: String,
    until: String,
}

/// The row by its key, as JSON.
pub(super) async fn bare(url: &str) -> anyhow::Result<Router> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    let statement = client.prepare(SQL).await?;
    let database = Arc::new(Database { client, statement });
    Ok(Router::new().route("/v1/products/{product}", get(product)).with_state(database))
}

async fn product(
    State(database): State<Arc<Database>>,
    Path(product): Path<Uuid>,
) -> Result<Json<Product>, StatusCode> {
    let found = database.client.query_opt(&database.statement, &[&product]).await;
    let row = found.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?.ok_or(StatusCode::NOT_FOUND)?;
    let by: Option<String> = row.get("lease_by");
    let until: Option<DateTime<Utc>> = row.get("lease_until");
    Ok(Json(Product {
        product: row.get("product"),
        seller: row.get("seller"),
        state: row.get("state"),
        title: row.get("title"),
        description: row.get("description"),
        price: Price { amount_minor: row.get("amount_minor"), currency: row.get("currency") },
        categories: row.get("categories"),
        media: row.get("media"),
        variants: row.get("variants"),
        lease: by.zip(until).map(|(by, until)| Lease { by, until: text(until) }),
        version: row.get("version"),
        drafted_at: text(row.get("drafted_at")),
        changed_at: text(row.get("changed_at")),
    }))
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// So many bytes, whatever is asked for.
pub(super) fn hello(bytes: usize) -> Router {
    let body = axum::body::Bytes::from(vec![b' '; bytes]);
    Router::new().route(
        "/v1/products/{product}",
        get(move || {
            let body = body.clone();
            async move { ([(CONTENT_TYPE, "application/json")], body) }
        }),
    )
}
