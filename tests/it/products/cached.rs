//! Products that were read before are answered from memory, and never to somebody who knows better.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{ETA_MAX, until};

use super::{ANA, PATCH, mug};
use crate::api::world::{Answer, Api};

const PRODUCTS: usize = 20;
/// How often each is changed, and read by who changed it.
const CHANGES: usize = 12;

fn id(product: usize) -> String {
    format!("018f4e7a-0000-7000-8000-0000000a{product:04}")
}

async fn drafts(api: &Api, product: usize) -> Answer {
    let mut body = mug();
    body["product"] = json!(id(product));
    api.post("/v1/products", &[ANA, &format!("Idempotency-Key: \"{product}\"")], &body).await.expect(201)
}

async fn retitles(api: &Api, product: usize, title: &str) -> Answer {
    let (path, body) = (format!("/v1/products/{}", id(product)), json!({ "title": title }).to_string());
    api.send(Method::PATCH, &path, &[ANA, PATCH, "If-Match: *"], body).await
}

async fn title(api: &Api, product: usize, headers: &[&str]) -> Value {
    api.get(&format!("/v1/products/{}", id(product)), headers).await.expect(200).body["title"].clone()
}

/// Reads until an answer comes from memory.
async fn until_known(api: &Api, product: usize) {
    until("it is read from memory", ETA_MAX, async || {
        let before = api.products.counts().hits;
        title(api, product, &[]).await;
        api.products.counts().hits > before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changes_a_product_reads_the_change_and_others_soon_after() {
    let api = Api::start().await;
    let made = join_all((0..PRODUCTS).map(|product| drafts(&api, product))).await;
    join_all(made.iter().enumerate().map(|(product, made)| {
        let token = made.token();
        let api = &api;
        async move { title(api, product, &[&token]).await }
    }))
    .await;
    join_all((0..PRODUCTS).map(|product| until_known(&api, product))).await;
    let pairs = (0..PRODUCTS).map(async |product| {
        for change in 0..CHANGES {
            let wanted = format!("Mug {change}");
            let token = retitles(&api, product, &wanted).await.expect(204).token();
            // Somebody without a token brings in what is shown now, which may be old.
            let told = [token.as_str()];
            let (_, seen) = futures::join!(title(&api, product, &[]), title(&api, product, &told));
            assert_eq!(seen, json!(wanted), "{product}");
            let neighbour = title(&api, (product + 1) % PRODUCTS, &[&token]).await;
            assert!(neighbour.as_str().unwrap().starts_with("Mug"), "{neighbour}");
        }
    });
    join_all(pairs).await;
    for product in 0..PRODUCTS {
        let newest = json!(format!("Mug {}", CHANGES - 1));
        until("who has no token sees it", ETA_MAX, async || title(&api, product, &[]).await == newest).await;
    }
    let before = api.products.counts();
    assert!(before.hits > 0 && before.misses > 0, "{before:?}");
    // A few are read most of the time.
    until_known(&api, 0).await;
    let (before, mut reads) = (api.products.counts(), 0);
    for round in 1..=40 {
        for product in (0..PRODUCTS).filter(|product| round % (product + 1) == 0) {
            for _ in 0..10 {
                title(&api, product, &[]).await;
                reads += 1;
            }
        }
    }
    let hits = api.products.counts().hits - before.hits;
    assert!(hits * 100 >= reads * 95, "{hits} of {reads} were in memory");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_lacks_an_event_is_not_kept_and_a_rebuild_drops_all() {
    let api = Api::start().await;
    for product in 0..2 {
        let token = drafts(&api, product).await.token();
        title(&api, product, &[&token]).await;
    }
    until_known(&api, 1).await;
    let views = sqlx::PgPool::connect(api.database.url()).await.unwrap();
    // What is here already may be newer than the row; the rebuild drops it.
    let url = platform::settings::Secret::new(api.database.url());
    let retitled = retitles(&api, 0, "Jar").await.expect(204).token();
    assert_eq!(title(&api, 0, &[&retitled]).await, json!("Jar"));
    let behind = "update read.products set version = 1, title = 'Mug' where product = $1";
    let behind = sqlx::query(behind).bind(id(0).parse::<uuid::Uuid>().unwrap());
    assert_eq!(behind.execute(&views).await.unwrap().rows_affected(), 1);
    projectors::rebuild("audit_log", &url, api.stores.clone(), Some(api.keys.clone()), true).await.unwrap();
    until("the old row is shown", ETA_MAX, async || title(&api, 0, &[]).await == json!("Mug")).await;
    until_known(&api, 1).await;
    let before = api.products.counts().hits;
    for _ in 0..10 {
        assert_eq!(title(&api, 0, &[]).await, json!("Mug"));
    }
    assert_eq!(api.products.counts().hits, before, "the row lacks what the audit log has");
}
