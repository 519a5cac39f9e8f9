//! What a request says of versions: a patch that names nothing, and conditions on what is posted.

use reqwest::Method;
use serde_json::{Value, json};

use super::world::{ACCOUNT, Answer, Api};

const ANA: &str = "Handsel-Caller: ana";
const PATCH: &str = "content-type: application/merge-patch+json";

fn line(order: &str) -> Value {
    let total = json!({"amount_minor": 100, "currency": "USD"});
    json!({"order": order, "customer": ACCOUNT, "ordered_on": "1997-01-12", "units": 1, "total": total})
}

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

#[tokio::test]
async fn a_batch_keeps_to_the_version_that_it_names() {
    let api = Api::start().await;
    let other = "018f4e7a-0000-7000-8000-000000000009";
    let send = async |key: &str, condition: &str, orders: &[&str]| {
        let headers = [ANA, &format!("Idempotency-Key: {key}"), condition];
        let headers = headers.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>();
        let body = json!({"orders": orders.iter().map(|order| line(order)).collect::<Vec<_>>()});
        let answer = api.post("/v1/orders/import-batch", &headers, &body).await.expect(200);
        let field = |name: &str| {
            let lines = answer.body["results"].as_array().unwrap().iter();
            lines.map(|line| line[name].clone()).collect::<Vec<Value>>()
        };
        (field("status"), field("problem"))
    };
    let (statuses, _) = send("a", "If-Match: \"0\"", &[ACCOUNT]).await;
    assert_eq!(statuses, [201]);
    let (statuses, problems) = send("b", "If-Match: \"0\"", &[ACCOUNT, other]).await;
    assert_eq!(statuses, [412, 201]);
    assert_eq!(problems[0]["code"], "version-conflict");
    let (statuses, _) = send("c", "If-Match: \"1\"", &[ACCOUNT]).await;
    assert_eq!(statuses, [200]);
    let (statuses, _) = send("d", "", &[ACCOUNT]).await;
    assert_eq!(statuses, [200]);
    // A repeat is answered as it was, although the version is another by now.
    let (statuses, _) = send("a", "If-Match: \"0\"", &[ACCOUNT]).await;
    assert_eq!(statuses, [201]);
}
