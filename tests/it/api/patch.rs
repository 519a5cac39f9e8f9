//! A patch that names nothing.

use reqwest::Method;
use serde_json::json;

use super::world::{ACCOUNT, Answer, Api};

const ANA: &str = "Handsel-Caller: ana";
const PATCH: &str = "content-type: application/merge-patch+json";

async fn patch(api: &Api, place: &str, headers: &[&str], body: &str) -> Answer {
    api.send(Method::PATCH, place, &[headers, &[ANA, PATCH]].concat(), body).await
}

#[tokio::test]
async fn a_patch_that_names_nothing_changes_nothing() {
    let api = Api::start().await;
    let body = json!({"name": "Ana", "email": "ana@example.org"});
    let made = api.post("/v1/accounts", &[ANA, "Idempotency-Key: a"], &body).await.expect(201);
    let place = made.header("location").to_owned();
    let kept = patch(&api, &place, &["If-Match: \"1\"", "Idempotency-Key: k"], "{}").await.expect(204);
    assert_eq!(kept.header("etag"), "\"1\"");
    assert_eq!(api.get(&place, &[&kept.token()]).await.expect(200).body["version"], 1);
    patch(&api, &place, &["If-Match: *"], "{}").await.expect(204);

    // It is a request like any other: it has a key, a version and somebody whom it is about.
    let again = patch(&api, &place, &["If-Match: \"1\"", "Idempotency-Key: k"], "{}").await.expect(204);
    assert_eq!(again.header("idempotent-replayed"), "true");
    let other = patch(&api, &place, &["If-Match: \"1\"", "Idempotency-Key: k"], r#"{"name":"Bob"}"#).await.expect(422);
    assert_eq!(other.body["code"], "idempotency-key-reused");
    let late = patch(&api, &place, &["If-Match: \"7\""], "{}").await.expect(412);
    assert_eq!(late.body["code"], "version-conflict");
    let nobody = patch(&api, &format!("/v1/accounts/{ACCOUNT}"), &["If-Match: *"], "{}").await.expect(404);
    assert_eq!(nobody.body["code"], "account-not-found");
}
