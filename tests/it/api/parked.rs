//! Who waits for something that a view could not take in is told so, also when the view is late.

use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use super::world::{Answer, Api};

const ANA: &str = "Handsel-Caller: ana";

async fn register(api: &Api, name: &str) -> Answer {
    let body = json!({"name": name, "email": "somebody@example.org"});
    api.post("/v1/accounts", &[ANA, &format!("Idempotency-Key: {name}")], &body).await.expect(201)
}

/// Renames the holder of an account and gives the header by which this is waited for.
async fn rename(api: &Api, place: &str, version: i64, name: &str) -> String {
    let headers = ["content-type: application/merge-patch+json", ANA, &format!("If-Match: \"{version}\"")];
    let body = json!({"name": name}).to_string();
    api.send(Method::PATCH, place, &headers, body).await.expect(204).token()
}

async fn refused(api: &Api, place: &str, token: &str) -> String {
    let refused = api.get(place, &[token]).await.expect(503);
    assert_eq!(refused.body["errors"][0]["pointer"], "Consistency-Token", "{refused:?}");
    refused.body["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_parked_is_not_waited_for_nor_what_follows_in_its_aggregate() {
    let api = Api::start().await;
    let views = PgPool::connect(api.database.url()).await.unwrap();
    let forbid = "alter table read.accounts_v1 add check (name <> 'Bad')";
    sqlx::raw_sql(forbid).execute(&views).await.unwrap();
    let (ana, bob) = (register(&api, "Ana").await, register(&api, "Bob").await);
    let (place, other) = (ana.header("location"), bob.header("location"));
    let parked = rename(&api, place, 1, "Bad").await;
    assert_eq!(refused(&api, place, &parked).await, "parked");
    let behind = rename(&api, place, 2, "Anna").await;
    assert_eq!(refused(&api, place, &behind).await, "parked");

    // The view is late, and yet it is known that it will not show this one either.
    let mut held = views.begin().await.unwrap();
    let hold = "select from read.checkpoints where projection = 'accounts' for update";
    sqlx::query(hold).execute(&mut *held).await.unwrap();
    let later = rename(&api, place, 3, "Annie").await;
    assert_eq!(refused(&api, place, &later).await, "parked");
    let fine = rename(&api, other, 1, "Bobby").await;
    assert_eq!(refused(&api, other, &fine).await, "not-yet-visible");
    held.rollback().await.unwrap();
    tests::until("the view shows the other account", tests::ETA_MAX, async || {
        api.get(other, &[&fine]).await.body["name"] == "Bobby"
    })
    .await;
    // What the view had taken in before is there.
    assert_eq!(api.get(place, &[&ana.token()]).await.expect(200).body["name"], "Ana");
}
