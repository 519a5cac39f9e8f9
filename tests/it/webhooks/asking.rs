//! Webhooks over HTTP: how they are made, changed and deleted, and what is refused.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::receiver::{Delivering, Receiver, is_signed, register, subscribe};
use super::{ANYWHERE, Api};

const URL: &str = "https://example.org/hook";

#[tokio::test]
async fn a_secret_is_shown_to_whoever_made_the_webhook_and_stored_sealed() {
    let api = Api::without_policies().await;
    let wanted = json!({"url": URL, "description": "Books", "contexts": ["payments", "orders"],
                        "types": ["orders.order-placed", "PaymentCaptured"]});
    let made = subscribe(&api, "a", wanted.clone()).await;
    assert_eq!(made.body["types"], json!(["OrderPlaced", "PaymentCaptured"]));
    assert_eq!((&made.body["contexts"], &made.body["created_by"]), (&json!(["orders", "payments"]), &"ana".into()));
    let secret = made.body["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    let again = subscribe(&api, "a", wanted).await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), ("true", &made.body));
    let headers = ["Handsel-Caller: ana", "Idempotency-Key: a"];
    let other = api.post("/v1/webhooks", &headers, &json!({"url": URL})).await.expect(422);
    assert_eq!(other.body["code"], "idempotency-key-reused");
    let shown = api.get(made.header("location"), &[]).await.expect(200);
    assert_eq!((shown.body.get("secret"), shown.header("etag")), (None, "\"1\""));
    let listed = api.get("/v1/webhooks", &[]).await.expect(200);
    assert_eq!(listed.body["data"], json!([shown.body]));
    let views = PgPool::connect(api.database.url()).await.unwrap();
    let stored: String = sqlx::query_scalar("select w::text from react.webhooks w").fetch_one(&views).await.unwrap();
    assert!(!stored.contains(secret) && !stored.contains("whsec_"), "{stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_the_receivers_own_signs_and_a_test_message_comes() {
    let api = Api::without_policies().await;
    let receiver = Receiver::taking().await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let made = subscribe(&api, "a", json!({"url": receiver.url, "secret": secret})).await;
    assert_eq!(made.body["secret"], secret);
    let _delivering = Delivering::start(&api, ANYWHERE);
    let path = format!("{}/test", made.header("location"));
    let sent = api.send(Method::POST, &path, &[], "").await.expect(202);
    let got = receiver.until(1).await;
    assert!(is_signed(&got[0], secret));
    assert_eq!(
        (got[0].header("webhook-id"), &got[0].body["type"]),
        (sent.body["message"].as_str().unwrap(), &"webhook.test".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_while_a_webhook_is_paused_is_sent_when_it_goes_on() {
    let api = Api::without_policies().await;
    let receiver = Receiver::taking().await;
    let made = subscribe(&api, "a", json!({"url": receiver.url})).await;
    let (hook, delivering) = (made.header("location"), Delivering::start(&api, ANYWHERE));
    let change = async |version: i64, changes: Value, status: u16| {
        let held = format!("If-Match: \"{version}\"");
        let patch = ["content-type: application/merge-patch+json", &held];
        api.send(Method::PATCH, hook, &patch, changes.to_string()).await.expect(status)
    };
    change(1, json!({"state": "paused"}), 200).await;
    assert_eq!(change(1, json!({"state": "active"}), 412).await.body["code"], "version-conflict");
    drop(delivering);
    let _delivering = Delivering::start(&api, ANYWHERE);
    register(&api, "Ana").await;
    let changed = change(2, json!({"description": "Books", "aggregate": null}), 200).await;
    assert_eq!((&changed.body["description"], &changed.body["state"]), (&"Books".into(), &"paused".into()));
    assert_eq!(receiver.got().len(), 0);
    change(3, json!({"state": "active"}), 200).await;
    receiver.until(1).await;
    let delete = async |held: &str| api.send(Method::DELETE, hook, &[held], "").await.status.as_u16();
    assert_eq!((delete("If-Match: \"3\"").await, delete("If-Match: \"4\"").await), (412, 204));
    let gone = api.get(hook, &[]).await.expect(404);
    assert_eq!(gone.body["code"], "webhook-not-found");
    assert_eq!(api.get(&format!("{hook}/deliveries"), &[]).await.expect(404).body["code"], "webhook-not-found");
}

#[tokio::test]
async fn what_cannot_be_a_webhook_is_refused_with_the_field() {
    let api = Api::without_policies().await;
    let headers = ["Handsel-Caller: ana", "Idempotency-Key: a"];
    for (wanted, pointer) in [
        (json!({}), "/url"),
        (json!({"url": "example.org"}), "/url"),
        (json!({"url": "ftp://example.org"}), "/url"),
        (json!({"url": "https://me:pw@example.org"}), "/url"),
        (json!({"url": URL, "contexts": ["gigs"]}), "/contexts/0"),
        (json!({"url": URL, "types": ["orders.order-placed", "OrderPlced"]}), "/types/1"),
        (json!({"url": URL, "types": ["OrderPlaced"], "contexts": ["products"]}), "/types/0"),
        (json!({"url": URL, "aggregate": ""}), "/aggregate"),
        (json!({"url": URL, "aggregate": "a\u{0}"}), "/aggregate"),
        (json!({"url": URL, "description": "\u{0}"}), "/description"),
        (json!({"url": URL, "from": "yesterday"}), "/from"),
        (json!({"url": URL, "from": "orders=1"}), "/from"),
        (json!({"url": URL, "from": "orders=-1"}), "/from"),
        (json!({"url": URL, "secret": "hunter2"}), "/secret"),
        (json!({"url": URL, "colour": "red"}), "/colour"),
    ] {
        let answer = api.post("/v1/webhooks", &headers, &wanted).await.expect(422);
        assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{wanted}: {}", answer.body);
    }
    assert_eq!(api.get("/v1/webhooks", &[]).await.body["data"], json!([]));
}
