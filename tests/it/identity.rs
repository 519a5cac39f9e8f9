//! Accounts over HTTP: who is registered, renamed, found and erased.

use platform::settings::Secret;
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::world::{ACCOUNT, Answer, Api};

const ANA: &str = "Handsel-Caller: ana";
const PATCH: &str = "content-type: application/merge-patch+json";

fn person(name: &str) -> Value {
    json!({"account": ACCOUNT, "name": name, "email": "ana@example.org", "reference": "00002"})
}

async fn register(api: &Api, body: &Value) -> Answer {
    api.post("/v1/accounts", &[ANA], body).await
}

async fn rename(api: &Api, headers: &[&str], name: &str) -> Answer {
    let headers = [&[ANA, PATCH], headers].concat();
    api.send(Method::PATCH, &format!("/v1/accounts/{ACCOUNT}"), &headers, json!({"name": name}).to_string()).await
}

#[tokio::test]
async fn an_account_is_registered_once_whoever_asks_again() {
    let api = Api::start().await;
    let made = register(&api, &person("Ana")).await.expect(201);
    assert_eq!(made.body, json!({"account": ACCOUNT, "version": 1}));
    assert_eq!(made.header("location"), format!("/v1/accounts/{ACCOUNT}"));
    let again = register(&api, &person("Ana")).await.expect(200);
    assert_eq!((&again.body, again.header("etag")), (&made.body, "\"1\""));
    let bob = register(&api, &person("Bob")).await.expect(409);
    assert_eq!((&bob.body["code"], &bob.body["errors"][0]["pointer"]), (&json!("account-exists"), &json!("/account")));
    let seen = api.get(made.header("location"), &[&made.token()]).await.expect(200);
    assert_eq!((&seen.body["name"], &seen.body["version"]), (&json!("Ana"), &json!(1)));
}

#[tokio::test]
async fn without_a_key_and_an_id_each_registration_is_another_account() {
    let api = Api::start().await;
    let body = json!({"name": "Ana", "email": "ana@example.org"});
    let (one, two) = (register(&api, &body).await.expect(201), register(&api, &body).await.expect(201));
    assert_ne!(one.body["account"], two.body["account"]);
    let seen = api.get(one.header("location"), &[&one.token()]).await.expect(200);
    assert_eq!(seen.body["reference"], json!(null));
}

#[tokio::test]
async fn a_rename_needs_the_version_it_was_made_for() {
    let api = Api::start().await;
    register(&api, &person("Ana")).await.expect(201);
    assert_eq!(rename(&api, &[], "Anna").await.expect(428).body["code"], "if-match-missing");
    let early = rename(&api, &["If-Match: \"2\""], "Anna").await.expect(412);
    assert_eq!(early.body["code"], "version-conflict");
    let renamed = rename(&api, &["If-Match: \"1\""], "Anna").await.expect(204);
    assert_eq!(renamed.header("etag"), "\"2\"");
    rename(&api, &["If-Match: \"1\""], "Anne").await.expect(412);
    let any = rename(&api, &["If-Match: *"], "Anne").await.expect(204);
    assert_eq!(any.header("etag"), "\"3\"");
    let seen = api.get(&format!("/v1/accounts/{ACCOUNT}"), &[&any.token()]).await.expect(200);
    assert_eq!((&seen.body["name"], seen.header("etag")), (&json!("Anne"), "\"3\""));
}

#[tokio::test]
async fn the_same_name_again_is_no_event() {
    let api = Api::start().await;
    register(&api, &person("Ana")).await.expect(201);
    let same = rename(&api, &["If-Match: \"1\""], "Ana").await.expect(204);
    assert_eq!(same.header("etag"), "\"1\"");
}

#[tokio::test]
async fn a_reader_who_has_the_version_is_told_so() {
    let api = Api::start().await;
    let made = register(&api, &person("Ana")).await.expect(201);
    let place = made.header("location").to_owned();
    let seen = api.get(&place, &[&made.token()]).await.expect(200);
    let held = format!("If-None-Match: {}", seen.header("etag"));
    let unchanged = api.get(&place, &[&held]).await.expect(304);
    assert_eq!((unchanged.header("etag"), &unchanged.body), ("\"1\"", &json!(null)));
    let renamed = rename(&api, &["If-Match: \"1\""], "Anna").await.expect(204);
    let news = api.get(&place, &[&held, &renamed.token()]).await.expect(200);
    assert_eq!(news.body["name"], "Anna");
}

#[tokio::test]
async fn accounts_are_found_by_the_operators_number() {
    let api = Api::start().await;
    let mut tokens = Vec::new();
    for number in ["00001", "00002", "00002"] {
        let body = json!({"name": number, "email": "a@example.org", "reference": number});
        tokens.push(register(&api, &body).await.expect(201).token());
    }
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    for (number, count) in [("00001", 1), ("00002", 2), ("00003", 0)] {
        let found = api.get(&format!("/v1/accounts?filter[reference]={number}"), &tokens).await.expect(200);
        assert_eq!(found.body["data"].as_array().unwrap().len(), count, "{number}: {:?}", found.body);
        assert_eq!(found.body["has_more"], false);
    }
    let page = api.get("/v1/accounts?limit=2", &tokens).await.expect(200);
    let next = page.header("link").trim_start_matches('<').split('>').next().unwrap().to_owned();
    let rest = api.get(&next, &tokens).await.expect(200);
    assert_eq!((rest.body["data"].as_array().unwrap().len(), &rest.body["has_more"]), (1, &json!(false)));
    assert!(!page.body["data"].as_array().unwrap().contains(&rest.body["data"][0]));
}

#[tokio::test]
async fn who_was_erased_is_shown_as_erased_and_cannot_come_back() {
    let api = Api::start().await;
    let made = register(&api, &person("Ana")).await.expect(201);
    let place = made.header("location").to_owned();
    let seen = api.get(&place, &[&made.token()]).await.expect(200);
    assert_eq!((&seen.body["name"], &seen.body["erased"]), (&json!("Ana"), &json!(false)));

    api.keys.erase(ACCOUNT).await.unwrap();
    let views = Secret::new(api.database.url());
    projectors::rebuild("accounts", &views, api.stores.clone(), Some(api.keys.clone()), true).await.unwrap();
    let seen = api.get(&place, &[]).await.expect(200);
    assert_eq!((&seen.body["name"], &seen.body["email"]), (&json!(null), &json!(null)));
    assert_eq!((&seen.body["erased"], &seen.body["reference"]), (&json!(true), &json!("00002")));
    let events = api.get("/v1/events?filter[context]=identity", &[&made.token()]).await.expect(200);
    assert!(!events.body.to_string().contains("ana@example.org"));

    let renamed = rename(&api, &["If-Match: \"1\""], "Anna").await.expect(409);
    assert_eq!(renamed.body["code"], "account-erased");
    let again = register(&api, &person("Ana")).await.expect(409);
    assert_eq!(again.body["code"], "account-erased");
}
