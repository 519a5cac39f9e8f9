//! Receivers that fail, redirect, fall silent or want nothing any more.

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse as _, Response};
use reactors::webhooks::Targets;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::{ETA_MAX, until};

use super::receiver::{Delivering, Got, Receiver, Silent, id, register, rename, subscribe};
use super::{ANYWHERE, Api};

/// The deliveries of a webhook, oldest first.
async fn deliveries(api: &Api, webhook: &str) -> Vec<Value> {
    let listed = api.get(&format!("{webhook}/deliveries?limit=100"), &[]).await.expect(200);
    listed.body["data"].as_array().unwrap().iter().rev().cloned().collect()
}

async fn until_state(api: &Api, webhook: &str, state: &str, count: usize) -> Vec<Value> {
    let path = format!("{webhook}/deliveries?limit=100&filter[state]={state}");
    until(&format!("{count} are {state}"), ETA_MAX, async || {
        api.get(&path, &[]).await.expect(200).body["data"].as_array().unwrap().len() == count
    })
    .await;
    api.get(&path, &[]).await.body["data"].as_array().unwrap().clone()
}

fn failing_for(account: String) -> impl Fn(&Got) -> Response {
    move |got| if got.what().1 == account { StatusCode::BAD_GATEWAY.into_response() } else { ().into_response() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_for_an_aggregate_waits_behind_what_failed_until_a_person_says_how_to_go_on() {
    let api = Api::without_policies().await;
    let (bad, good) = (register(&api, "Bad").await, register(&api, "Good").await);
    let receiver = Receiver::start(failing_for(id(&bad).to_owned())).await;
    let hook = subscribe(&api, "a", json!({"url": receiver.url})).await.header("location").to_owned();
    let delivering = Delivering::start(&api, ANYWHERE);
    for version in 1..=3 {
        rename(&api, &bad, version, &format!("Name {version}")).await;
        rename(&api, &good, version, &format!("Name {version}")).await;
    }
    let parked = until_state(&api, &hook, "parked", 1).await;
    until_state(&api, &hook, "delivered", 3).await;
    assert_eq!((&parked[0]["attempts"], &parked[0]["status"]), (&4.into(), &502.into()), "{parked:?}");
    assert!(parked[0]["error"].as_str().unwrap().contains("only 2xx means"), "{parked:?}");
    assert_eq!(until_state(&api, &hook, "waiting", 2).await.len(), 2);
    let tried: Vec<_> = receiver.got().into_iter().filter(|got| got.what().1 == id(&bad)).collect();
    assert!(tried.iter().all(|got| got.what().2 == 2 && got.header("webhook-id") == tried[0].header("webhook-id")));
    until("readiness says so", ETA_MAX, async || {
        delivering.readiness.report().contains("1 deliveries to webhooks wait for a person")
    })
    .await;
    let ailing = reactors::webhooks::ailing(&PgPool::connect(api.database.url()).await.unwrap()).await.unwrap();
    assert_eq!((ailing.len(), ailing[0].parked, ailing[0].disabled), (1, 1, false));
    // The receiver is mended; the order is kept.
    receiver.answer(|_| ().into_response());
    let number = parked[0]["number"].as_i64().unwrap();
    api.send(Method::POST, &format!("{hook}/deliveries/{number}/retry"), &[], "").await.expect(204);
    until_state(&api, &hook, "delivered", 6).await;
    let last: Vec<_> =
        receiver.got().into_iter().filter(|got| got.what().1 == id(&bad)).map(|got| got.what().2).collect();
    assert_eq!(last[tried.len()..], [2, 3, 4]);
    let ended = api.send(Method::POST, &format!("{hook}/deliveries/{number}/skip"), &[], "").await.expect(409);
    assert_eq!(ended.body["code"], "delivery-ended");
    api.send(Method::POST, &format!("{hook}/deliveries/999999/skip"), &[], "").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_skipped_is_given_up_and_what_waits_behind_it_goes_on() {
    let api = Api::without_policies().await;
    let account = register(&api, "Ana").await;
    let receiver =
        Receiver::start(|got| if got.what().2 == 2 { StatusCode::NOT_FOUND } else { StatusCode::OK }.into_response())
            .await;
    let hook = subscribe(&api, "a", json!({"url": receiver.url})).await.header("location").to_owned();
    let _delivering = Delivering::start(&api, ANYWHERE);
    rename(&api, &account, 1, "Anna").await;
    rename(&api, &account, 2, "Hannah").await;
    let number = until_state(&api, &hook, "parked", 1).await[0]["number"].as_i64().unwrap();
    api.send(Method::POST, &format!("{hook}/deliveries/{number}/skip"), &[], "").await.expect(204);
    until_state(&api, &hook, "delivered", 1).await;
    assert_eq!(receiver.got().last().unwrap().what().2, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_answers_410_is_left_alone_until_a_person_wants_it_to_hear_again() {
    let api = Api::without_policies().await;
    let account = register(&api, "Ana").await;
    let receiver = Receiver::start(|_| StatusCode::GONE.into_response()).await;
    let hook = subscribe(&api, "a", json!({"url": receiver.url})).await.header("location").to_owned();
    let _delivering = Delivering::start(&api, ANYWHERE);
    rename(&api, &account, 1, "Anna").await;
    until("it is disabled", ETA_MAX, async || api.get(&hook, &[]).await.body["state"] == "disabled").await;
    let shown = api.get(&hook, &[]).await;
    assert!(shown.body["reason"].as_str().unwrap().contains("410"), "{}", shown.body);
    let refused = api.send(Method::POST, &format!("{hook}/test"), &[], "").await.expect(409);
    assert_eq!(refused.body["code"], "webhook-not-active");
    rename(&api, &account, 2, "Hannah").await;
    receiver.answer(|_| ().into_response());
    let held = format!("If-Match: {}", shown.header("etag"));
    let patch = ["content-type: application/merge-patch+json", &held];
    let again = api.send(Method::PATCH, &hook, &patch, json!({"state": "active"}).to_string()).await.expect(200);
    assert_eq!((&again.body["state"], &again.body["reason"]), (&"active".into(), &Value::Null));
    until_state(&api, &hook, "delivered", 2).await;
    let got: Vec<_> = receiver.got().iter().map(|got| got.what().2).collect();
    assert_eq!(got, [2, 2, 3], "nothing that happened meanwhile is missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed_and_silence_is_a_failure() {
    let api = Api::without_policies().await;
    let secret_place = Receiver::taking().await;
    let to = secret_place.url.clone();
    let leading =
        Receiver::start(move |_| (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, to.clone())]).into_response()).await;
    let silent = Receiver::start(|_| {
        let mut response = ().into_response();
        response.extensions_mut().insert(Silent);
        response
    })
    .await;
    let redirected = subscribe(&api, "a", json!({"url": leading.url})).await.header("location").to_owned();
    let waiting = subscribe(&api, "b", json!({"url": silent.url})).await.header("location").to_owned();
    let _delivering = Delivering::start(&api, ANYWHERE);
    register(&api, "Ana").await;
    let parked = until_state(&api, &redirected, "parked", 1).await;
    let error = parked[0]["error"].as_str().unwrap();
    assert!(error.contains(&secret_place.url) && error.contains("redirects are not followed"), "{error}");
    assert_eq!(secret_place.got().len(), 0);
    until("silence was told", ETA_MAX, async || {
        let error = deliveries(&api, &waiting).await[0]["error"].clone();
        error.as_str().is_some_and(|error| error.contains("did not answer within 15 s"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_into_a_private_network_where_that_is_forbidden() {
    let api = Api::without_policies().await;
    let receiver = Receiver::taking().await;
    let named = receiver.url.replace("127.0.0.1", "localhost");
    let hooks = [
        subscribe(&api, "a", json!({"url": receiver.url})).await.header("location").to_owned(),
        subscribe(&api, "b", json!({"url": named})).await.header("location").to_owned(),
    ];
    let _delivering = Delivering::start(&api, Targets { private: false });
    register(&api, "Ana").await;
    for hook in &hooks {
        let parked = until_state(&api, hook, "parked", 1).await;
        let error = parked[0]["error"].as_str().unwrap();
        assert!(error.contains("HANDSEL_WEBHOOK_PRIVATE_TARGETS forbids"), "{error}");
    }
    assert_eq!(receiver.got().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_lost_events_is_told_and_deliveries_go_on_after_its_recovery() {
    let api = Api::without_policies().await;
    let receiver = Receiver::taking().await;
    subscribe(&api, "a", json!({"url": receiver.url})).await;
    let delivering = Delivering::start(&api, ANYWHERE);
    let account = register(&api, "Ana").await;
    receiver.until(1).await;
    let views = PgPool::connect(api.database.url()).await.unwrap();
    let moved = "update react.webhook_places set event_id = gen_random_uuid() where context = 'identity'";
    until("the place is noted", ETA_MAX, async || {
        let at = "select position from react.webhook_places where context = 'identity'";
        sqlx::query_scalar::<_, i64>(at).fetch_one(&views).await.unwrap() == 1
    })
    .await;
    drop(delivering);
    sqlx::raw_sql(moved).execute(&views).await.unwrap();
    let delivering = Delivering::start(&api, ANYWHERE);
    rename(&api, &account, 1, "Anna").await;
    until("it is told", ETA_MAX, async || delivering.readiness.report().contains("run `handsel recover identity`"))
        .await;
    sqlx::raw_sql("update es_identity.store set history = gen_random_uuid()").execute(&views).await.unwrap();
    let reader = api.opened[&event_schemas::Context::Identity].reader();
    reactors::follow_recovery(&views, event_schemas::Context::Identity, &reader).await.unwrap();
    let got = receiver.until(2).await;
    assert_eq!(got[1].what().2, 2);
}
