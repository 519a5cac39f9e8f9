//! Products over HTTP: drafted, proposed, approved and shown; edited by one at a time; their stock promised once.

mod bad;
mod cached;
mod redis;
mod stock;

use reqwest::Method;
use serde_json::{Value, json};

use crate::api::world::{ACCOUNT, Answer, Api};

const PRODUCT: &str = "018f4e7a-0000-7000-8000-000000000003";
const ANA: &str = "Handsel-Caller: ana";
const BOB: &str = "Handsel-Caller: bob";
const JSON: &str = "content-type: application/json";
const PATCH: &str = "content-type: application/merge-patch+json";

fn mug() -> Value {
    json!({"product": PRODUCT, "seller": ACCOUNT, "title": "Mug", "description": "Holds tea.",
           "price": {"amount_minor": 1200, "currency": "USD"}, "categories": ["kitchen", "gifts"],
           "variants": [{"sku": "MUG-RED", "title": "Red"}, {"sku": "MUG-BLUE", "title": "Blue"}]})
}

async fn draft(api: &Api, key: &str, body: &Value) -> Answer {
    api.post("/v1/products", &[ANA, &format!("Idempotency-Key: \"{key}\"")], body).await
}

/// Moves the product on, without saying for which version.
async fn step(api: &Api, step: &str) -> Answer {
    api.send(Method::POST, &format!("/v1/products/{PRODUCT}/{step}"), &[ANA], vec![]).await
}

async fn patch(api: &Api, headers: &[&str], body: Value) -> Answer {
    let headers = [&[PATCH], headers].concat();
    api.send(Method::PATCH, &format!("/v1/products/{PRODUCT}"), &headers, body.to_string()).await
}

async fn lease(api: &Api, caller: &str, until: &str) -> Answer {
    let headers = [caller, JSON, "If-Match: *"];
    let body = json!({ "until": until }).to_string();
    api.send(Method::PUT, &format!("/v1/products/{PRODUCT}/lease"), &headers, body).await
}

/// So many minutes from now, as a body says it.
fn minutes_ahead(minutes: i64) -> String {
    let micros = platform::clock::now().micros() + minutes * 60_000_000;
    envelope::Timestamp::from_micros(micros).unwrap().to_string()
}

#[tokio::test]
async fn a_product_is_drafted_proposed_approved_and_seen() {
    let api = Api::start().await;
    let made = draft(&api, "k", &mug()).await.expect(201);
    assert_eq!((made.header("etag"), &made.body), ("\"1\"", &json!({"product": PRODUCT, "version": 1})));
    assert_eq!(made.header("location"), format!("/v1/products/{PRODUCT}"));
    draft(&api, "other", &mug()).await.expect(200);
    let replayed = draft(&api, "k", &mug()).await.expect(201);
    assert_eq!(replayed.header("idempotent-replayed"), "true");
    let mut cup = mug();
    cup["title"] = json!("Cup");
    assert_eq!(draft(&api, "cup", &cup).await.expect(409).body["code"], "product-exists");

    assert_eq!(step(&api, "approve").await.expect(409).body["code"], "product-not-proposed");
    step(&api, "propose").await.expect(204);
    assert_eq!(step(&api, "propose").await.expect(204).header("etag"), "\"2\"");
    let changed = patch(&api, &[ANA, "If-Match: *"], json!({"title": "Cup"})).await.expect(409);
    assert_eq!(changed.body["code"], "product-in-review");
    let approved = step(&api, "approve").await.expect(204);
    let place = made.header("location");
    let seen = api.get(place, &[&approved.token()]).await.expect(200);
    let stands = ["state", "title", "description", "version", "media", "lease"].map(|field| seen.body[field].clone());
    assert_eq!(stands, [json!("published"), json!("Mug"), json!("Holds tea."), json!(3), json!(null), json!(null)]);
    for field in ["product", "seller", "price", "categories", "variants"] {
        assert_eq!(seen.body[field], mug()[field], "{field}");
    }
    api.get(place, &[&format!("If-None-Match: {}", seen.header("etag"))]).await.expect(304);

    step(&api, "unlist").await.expect(204);
    step(&api, "publish").await.expect(204);
    let archived = step(&api, "archive").await.expect(204);
    assert_eq!(step(&api, "publish").await.expect(409).body["code"], "product-archived");
    assert_eq!(api.get(place, &[&archived.token()]).await.expect(200).body["state"], "archived");
    let path = format!("/v1/events?filter[context]=products&filter[aggregate]={PRODUCT}");
    let log = api.get(&path, &[&archived.token()]).await.expect(200);
    let types: Vec<_> = log.body["data"].as_array().unwrap().iter().map(|event| &event["event_type"]).collect();
    let happened = ["Drafted", "Proposed", "Approved", "Unlisted", "Relisted", "Archived"];
    assert_eq!(types, happened.map(|what| json!(format!("Product{what}"))).iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_rejected_is_a_draft_again() {
    let api = Api::start().await;
    draft(&api, "k", &mug()).await.expect(201);
    step(&api, "propose").await.expect(204);
    let place = format!("/v1/products/{PRODUCT}/reject");
    let reason = json!({"reason": "The picture shows another product."});
    api.post(&place, &[ANA], &reason).await.expect(204);
    assert_eq!(api.post(&place, &[ANA], &reason).await.expect(204).header("etag"), "\"3\"");
    assert_eq!(
        api.post(&place, &[ANA], &json!({"reason": "x"})).await.expect(409).body["code"],
        "product-not-proposed"
    );
    let late = api.post(&place, &[ANA, "If-Match: \"1\""], &reason).await.expect(412);
    assert_eq!(late.body["code"], "version-conflict");
    step(&api, "propose").await.expect(204);
}

#[tokio::test]
async fn a_patch_changes_what_it_names_all_or_nothing() {
    let api = Api::start().await;
    draft(&api, "k", &mug()).await.expect(201);
    patch(&api, &[ANA], json!({"title": "Cup"})).await.expect(428);
    patch(&api, &[ANA, "If-Match: \"7\""], json!({"title": "Cup"})).await.expect(412);
    let price = json!({"amount_minor": 1400, "currency": "EUR"});
    let body = json!({"title": "Cup", "price": price, "categories": [], "media": "https://a.example/b.jpg"});
    let changed = patch(&api, &[ANA, "If-Match: \"1\""], body.clone()).await.expect(204);
    assert_eq!(changed.header("etag"), "\"5\"", "an event for each field");
    assert_eq!(patch(&api, &[ANA, "If-Match: *"], body.clone()).await.expect(204).header("etag"), "\"5\"");
    let bad = json!({"title": "Jar", "description": "\u{0}"});
    let refused = patch(&api, &[ANA, "If-Match: *"], bad).await.expect(422);
    assert_eq!(refused.body["errors"][0]["pointer"], "/description");
    let place = format!("/v1/products/{PRODUCT}");
    let seen = api.get(&place, &[&changed.token()]).await.expect(200);
    for field in ["title", "price", "categories", "media"] {
        assert_eq!(seen.body[field], body[field], "{field}");
    }
    let bare = patch(&api, &[ANA, "If-Match: \"5\""], json!({"media": null})).await.expect(204);
    let seen = api.get(&place, &[&bare.token()]).await.expect(200);
    assert_eq!((&seen.body["media"], &seen.body["title"]), (&json!(null), &json!("Cup")));
}

#[tokio::test]
async fn while_somebody_edits_nobody_else_does() {
    let api = Api::start().await;
    draft(&api, "k", &mug()).await.expect(201);
    let until = minutes_ahead(10);
    let taken = lease(&api, ANA, &until).await.expect(204);
    assert_eq!(lease(&api, ANA, &until).await.expect(204).header("etag"), taken.header("etag"));
    let seen = api.get(&format!("/v1/products/{PRODUCT}"), &[&taken.token()]).await.expect(200);
    assert_eq!(seen.body["lease"], json!({"by": "ana", "until": until}));

    let locked = patch(&api, &[BOB, "If-Match: *"], json!({"title": "Cup"})).await.expect(423);
    assert_eq!(locked.body["code"], "product-leased");
    let detail = locked.body["detail"].as_str().unwrap();
    assert!(detail.contains("`ana`") && detail.contains(&until), "who and until when: {detail}");
    lease(&api, BOB, &minutes_ahead(20)).await.expect(423);
    let place = format!("/v1/products/{PRODUCT}/lease");
    api.send(Method::DELETE, &place, &[BOB, "If-Match: *"], vec![]).await.expect(423);
    api.send(Method::DELETE, &place, &[ANA], vec![]).await.expect(428);

    patch(&api, &[ANA, "If-Match: *"], json!({"title": "Cup"})).await.expect(204);
    let released = api.send(Method::DELETE, &place, &[ANA, "If-Match: *"], vec![]).await.expect(204);
    let again = api.send(Method::DELETE, &place, &[ANA, "If-Match: *"], vec![]).await.expect(204);
    assert_eq!(released.header("etag"), again.header("etag"));
    patch(&api, &[BOB, "If-Match: *"], json!({"title": "Jar"})).await.expect(204);
    for until in [minutes_ahead(-1), minutes_ahead(25 * 60)] {
        let refused = lease(&api, ANA, &until).await.expect(422);
        assert_eq!(refused.body["errors"][0]["pointer"], "/until");
    }
}

#[tokio::test]
async fn a_lease_whose_holder_never_comes_back_ends_by_itself() {
    let api = Api::start().await;
    draft(&api, "k", &mug()).await.expect(201);
    let end = envelope::Timestamp::from_micros(platform::clock::now().micros() + 1_500_000).unwrap();
    lease(&api, ANA, &end.to_string()).await.expect(204);
    let locked = patch(&api, &[BOB, "If-Match: *"], json!({"title": "Cup"})).await.expect(423);
    assert!(locked.body["detail"].as_str().unwrap().contains(&end.to_string()), "{locked:?}");
    tests::until("others may edit again", tests::ETA_MAX, async || {
        patch(&api, &[BOB, "If-Match: *"], json!({"title": "Cup"})).await.status == 204
    })
    .await;
    assert!(platform::clock::now() >= end, "it ended before its time");
    // Whoever comes back late is one of the others.
    lease(&api, BOB, &minutes_ahead(10)).await.expect(204);
    patch(&api, &[ANA, "If-Match: *"], json!({"title": "Jar"})).await.expect(423);
}

#[tokio::test]
async fn products_are_found_by_state_category_and_seller() {
    let api = Api::start().await;
    let mut tokens = Vec::new();
    for (number, category) in [(1, "kitchen"), (2, "kitchen"), (3, "garden")] {
        let mut body = mug();
        body["product"] = json!(format!("018f4e7a-0000-7000-8000-00000000001{number}"));
        body["seller"] = json!(format!("018f4e7a-0000-7000-8000-00000000002{}", number % 2));
        body["categories"] = json!([category, "all"]);
        tokens.push(draft(&api, &number.to_string(), &body).await.expect(201).token());
    }
    let proposed = "/v1/products/018f4e7a-0000-7000-8000-000000000011/propose";
    tokens.push(api.send(Method::POST, proposed, &[ANA], vec![]).await.expect(204).token());
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    for (filter, count) in [
        ("", 3),
        ("filter[category]=kitchen", 2),
        ("filter[category]=all&filter[state]=draft", 2),
        ("filter[category]=none", 0),
        ("filter[state]=proposed", 1),
        ("filter[seller]=018f4e7a-0000-7000-8000-000000000021", 2),
        ("filter[seller]=018f4e7a-0000-7000-8000-000000000021&filter[category]=garden", 1),
    ] {
        let found = api.get(&format!("/v1/products?{filter}"), &tokens).await.expect(200);
        assert_eq!(found.body["data"].as_array().unwrap().len(), count, "{filter}: {:?}", found.body);
    }
    let page = api.get("/v1/products?limit=2&filter[category]=all", &tokens).await.expect(200);
    let next = page.header("link").trim_start_matches('<').split('>').next().unwrap().to_owned();
    let rest = api.get(&next, &tokens).await.expect(200);
    assert_eq!((rest.body["data"].as_array().unwrap().len(), &rest.body["has_more"]), (1, &json!(false)));
    let misspelt = api.get("/v1/products?filter[state]=sold", &[]).await.expect(400);
    assert_eq!(misspelt.body["errors"][0]["pointer"], "filter[state]");
}
