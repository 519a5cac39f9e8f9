//! Webhooks at the prompt: who hears of events, what became of it, and what a person does about it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::json;
use tests::{ETA_MAX, Program, empty_database, until};
use tokio::net::TcpListener;

use super::on;

/// What was sent: its id, and how many signatures it has.
type Got = Arc<Mutex<Vec<(String, usize)>>>;

async fn receive(State(got): State<Got>, headers: HeaderMap) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    got.lock().unwrap().push((header("webhook-id"), header("webhook-signature").split(' ').count()));
    StatusCode::OK
}

async fn listening(got: &Got) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let routes = Router::new().route("/", post(receive)).with_state(got.clone());
    tokio::spawn(axum::serve(listener, routes).into_future());
    url
}

/// A webhook to there, made over HTTP.
async fn subscribed(program: &Program, url: &str) -> String {
    let made = reqwest::Client::new().post(format!("{}/v1/webhooks", program.running().url));
    let made = made.header("Handsel-Caller", "ana").header("Idempotency-Key", "\"hook\"");
    let made = made.json(&json!({ "url": url })).send().await.unwrap();
    let place = made.headers()["location"].to_str().unwrap().to_owned();
    place.rsplit('/').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_webhooks_sends_again_gives_up_and_replaces_secrets_at_the_prompt() {
    let database = empty_database().await;
    let mut program = on(database.url());
    program.up().await;
    let ok = async |words: &[&str]| program.call(&[&["webhooks"], words].concat()).await.ok();
    let no = async |words: &[&str]| program.call(&[&["webhooks"], words].concat()).await.failure();
    assert_eq!(ok(&["list"]).await.trim(), "there are no webhooks");
    let got = Got::default();
    let url = listening(&got).await;
    let hook = subscribed(&program, &url).await;
    let listed = ok(&["list"]).await;
    assert!(listed.contains(&hook) && listed.contains(&url) && listed.contains("everything"), "{listed}");

    program.call(&["trigger", "identity.account-registered"]).await.ok();
    let count = async || got.lock().unwrap().len();
    until("it is told", ETA_MAX, async || count().await == 1).await;
    until("that is noted", ETA_MAX, async || ok(&["deliveries", &hook]).await.contains("delivered")).await;
    let rotated = ok(&["rotate", &hook]).await;
    assert!(rotated.contains("signed with whsec_") && rotated.contains("with the old secret until 20"), "{rotated}");
    let said = ok(&["replay", &hook, "--from", "identity=0"]).await;
    assert!(said.contains("it goes on after identity=0,orders=0"), "{said}");
    until("it is told again", ETA_MAX, async || count().await == 2).await;
    let twice = got.lock().unwrap().clone();
    assert_eq!((&twice[0].0, twice[0].1), (&twice[1].0, 1), "the same message");
    let ended = ok(&["rotate", &hook, "--overlap-s", "0"]).await;
    assert!(ended.contains("and with no other any more"), "{ended}");

    sqlx::query("update react.webhook_deliveries set state = 'parked', body = '{}', error = 'it answered 500'")
        .execute(&sqlx::PgPool::connect(database.url()).await.unwrap())
        .await
        .unwrap();
    let parked = ok(&["deliveries", &hook, "--state", "parked"]).await;
    let number = parked.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    assert!(parked.contains("it answered 500") && parked.contains("identity.account-registered"), "{parked}");
    assert_eq!(ok(&["retry", &hook, &number]).await.trim(), format!("{number} is sent again"));
    until("it is sent again", ETA_MAX, async || count().await == 3).await;
    until("none is parked", ETA_MAX, async || ok(&["deliveries", &hook, "--state", "parked"]).await.contains("none"))
        .await;
    assert!(no(&["skip", &hook, "999999"]).await.contains("no delivery 999999"));
    assert!(no(&["deliveries", &hook, "--state", "lost"]).await.contains("a delivery is `waiting`, `parked`"));
    assert!(no(&["replay", &hook, "--from", "gigs=1"]).await.contains("gigs"));
    assert!(no(&["test", "018f4e7a-0000-7000-8000-000000000009"]).await.contains("there is no webhook"));
    assert!(ok(&["test", &hook]).await.contains("is on its way"));
    until("the test came", ETA_MAX, async || count().await == 4).await;
    let away = no(&["list", "--url", "http://127.0.0.1:9"]).await;
    assert!(away.contains("asking http://127.0.0.1:9"), "{away}");
    program.terminate().await;
}
