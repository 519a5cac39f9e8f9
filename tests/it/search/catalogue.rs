//! The catalogue in which the judged queries search, and how its products come on sale.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use platform::token::ConsistencyToken;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, TestApp, data};

use super::SELLER;

/// Commands at once: the store takes them in batches.
const AT_ONCE: usize = 16;

/// The id of the product with this number.
pub(super) fn id(number: u32) -> String {
    format!("018f4e7a-0000-7000-8000-{number:012}")
}

/// A product as `tests/data/search/products.jsonl` has it.
pub(super) fn all() -> Vec<Value> {
    let text = std::fs::read_to_string(data("search/products.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The draft of a product of the catalogue.
pub(super) fn draft(product: &Value) -> Value {
    let mut draft = product.clone();
    let number = draft.as_object_mut().unwrap().remove("number").unwrap();
    draft["product"] = json!(id(u32::try_from(number.as_u64().unwrap()).unwrap()));
    draft["seller"] = json!(SELLER);
    draft
}

/// Moves a product on.
pub(super) async fn step(app: &TestApp, product: &str, what: &str) -> Answer {
    let path = format!("/v1/products/{product}/{what}");
    let answer = app.ask(Method::POST, &path, &[("handsel-caller", "tester")], None).await;
    assert_eq!(answer.status, 204, "{what}: {}", answer.body);
    answer
}

/// Brings a product on sale; the answer has its token.
pub(super) async fn sell(app: &TestApp, draft: &Value) -> Answer {
    let product = draft["product"].as_str().unwrap().to_owned();
    let drafted = app.post("/v1/products", &product, draft).await;
    assert_eq!(drafted.status, 201, "{}", drafted.body);
    step(app, &product, "propose").await;
    step(app, &product, "approve").await
}

/// Brings the whole catalogue on sale and answers one token for all of it.
pub(super) async fn sell_all(app: &TestApp) -> String {
    let drafts: Vec<_> = all().iter().map(draft).collect();
    let key = app.spine.tokens().unwrap();
    let selling = stream::iter(drafts).map(|draft| async move {
        let answer = sell(app, &draft).await;
        Ok::<_, anyhow::Error>(ConsistencyToken::decode(key, answer.header("consistency-token")).unwrap())
    });
    let tokens: Vec<_> = selling.buffer_unordered(AT_ONCE).try_collect().await.unwrap();
    let mut merged = ConsistencyToken::default();
    tokens.into_iter().for_each(|token| merged.merge(token));
    merged.encode(key)
}
