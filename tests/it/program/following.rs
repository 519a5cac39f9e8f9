//! Events in a terminal and to a receiver on the same machine, as people follow them.

use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use handsel::follow::{Follower, Wanted};
use serde_json::{Value, json};
use tests::{ETA_MAX, Program, Service, database, empty_database, until};
use tokio::net::TcpListener;

use super::{EXE, on};
use crate::api::world::ACCOUNT;

async fn serve(routes: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, routes).into_future());
    url
}

/// Imports so many orders.
async fn import(url: &str, key: &str, count: usize) {
    let total = json!({"amount_minor": 100, "currency": "USD"});
    let order = json!({"customer": ACCOUNT, "ordered_on": "1997-01-12", "units": 1, "total": total});
    let request = reqwest::Client::new().post(format!("{url}/v1/orders/import-batch"));
    let request = request.header("Handsel-Caller", "ana").header("Idempotency-Key", format!("\"{key}\""));
    let answer = request.json(&json!({"orders": vec![order; count]})).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[derive(Clone, Default)]
struct Receiver {
    status: Arc<AtomicU16>,
    got: Arc<Mutex<Vec<Value>>>,
}

async fn receive(State(receiver): State<Receiver>, body: Bytes) -> StatusCode {
    receiver.got.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    StatusCode::from_u16(receiver.status.load(Ordering::SeqCst)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_shown_in_a_terminal_and_handed_on_to_a_receiver() {
    let database = empty_database().await;
    let mut program = on(database.url());
    program.up().await;
    import(&program.running().url, "a", 3).await;
    let shown = program.call(&["events", "tail", "--from", "start", "--count", "3"]).await;
    assert!(shown.stderr.contains("--from 'identity=0@") && shown.stderr.contains(",orders=3@"), "{}", shown.stderr);
    let lines = shown.ok();
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(lines.lines().all(|line| line.contains("  OrderImported  order/") && line.ends_with("by ana")), "{lines}");
    let words = ["events", "tail", "--from", "orders=2", "--context", "orders", "--count", "1", "--json"];
    let whole: Value = serde_json::from_str(&program.call(&words).await.ok()).unwrap();
    assert!(whole["position"] == 3 && whole["id"].as_str().unwrap().starts_with("orders=3@"), "{whole}");
    let refused = program.call(&["events", "tail", "--type", "OrderPlced"]).await;
    assert!(refused.failure().contains("nothing that can happen is called `OrderPlced`"));

    let receiver = Receiver { status: Arc::new(AtomicU16::new(200)), ..Receiver::default() };
    let to = serve(Router::new().route("/", post(receive)).with_state(receiver.clone())).await;
    let listen = ["listen", "--forward-to", &to, "--from", "start"];
    let taken = program.call(&[listen.as_slice(), &["--count", "3"]].concat()).await;
    assert!(taken.stderr.contains(",orders=3@"), "{}", taken.stderr);
    let lines = taken.ok();
    assert!(lines.starts_with("signed with whsec_"), "{lines}");
    assert_eq!(lines.matches("200  orders.order-imported (orders ").count(), 3, "{lines}");
    assert_eq!(receiver.got.lock().unwrap().len(), 3);
    receiver.status.store(410, Ordering::SeqCst);
    let gone = program.call(&listen).await;
    assert!(!gone.status.success() && gone.stderr.contains("it wants nothing any more"), "{}", gone.stderr);
    program.terminate().await;
}

/// What was taken, as account and how many-eth event, from a receiver that fails at first where `fails` says.
#[derive(Clone)]
struct Failing {
    fails: (String, i64),
    times: Arc<AtomicUsize>,
    taken: Arc<Mutex<Vec<(String, i64)>>>,
}

async fn take(State(failing): State<Failing>, body: Bytes) -> StatusCode {
    let event: Value = serde_json::from_slice::<Value>(&body).unwrap()["data"].take();
    let what = (event["aggregate_id"].as_str().unwrap().to_owned(), event["sequence"].as_i64().unwrap());
    if what == failing.fails && failing.times.fetch_add(1, Ordering::SeqCst) < 2 {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    failing.taken.lock().unwrap().push(what);
    StatusCode::NO_CONTENT
}

/// Registers somebody, or renames them.
async fn ask(url: &str, account: &str, version: i64) {
    let client = reqwest::Client::new();
    let asked = if version == 0 {
        let body = json!({"account": account, "name": "Ana", "email": "ana@example.org"});
        client.post(format!("{url}/v1/accounts")).json(&body)
    } else {
        let changed = client.patch(format!("{url}/v1/accounts/{account}")).header("If-Match", format!("\"{version}\""));
        changed.header("content-type", "application/merge-patch+json").body(format!(r#"{{"name":"Ana {version}"}}"#))
    };
    let key = format!("\"{account}-{version}\"");
    let answer = asked.header("Handsel-Caller", "ana").header("Idempotency-Key", key).send().await.unwrap();
    assert!(answer.status().is_success(), "{account} {version}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_sent_again_in_its_order_and_the_next_run_goes_on_behind_it() {
    let database = empty_database().await;
    let mut program = on(database.url());
    program.up().await;
    let url = program.running().url;
    let [bad, good] = [7, 8].map(|number| format!("018f4e7a-0000-7000-8000-00000000000{number}"));
    for version in 0..3 {
        for account in [&bad, &good] {
            ask(&url, account, version).await;
        }
    }
    let failing = Failing { fails: (bad.clone(), 1), times: Arc::default(), taken: Arc::default() };
    let to = serve(Router::new().route("/", post(take)).with_state(failing.clone())).await;
    let listen = ["listen", "--forward-to", &to, "--context", "identity"];
    let said = program.call(&[listen.as_slice(), &["--from", "start", "--count", "6"]].concat()).await;
    assert_eq!(said.stderr.matches("answered 503 Service Unavailable").count(), 2, "{}", said.stderr);
    let place = said.stderr.split("--from '").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    said.ok();
    let taken = failing.taken.lock().unwrap().clone();
    let of = |who: &String| taken.iter().filter(|(id, _)| id == who).map(|(_, number)| *number).collect::<Vec<_>>();
    assert_eq!((of(&bad), of(&good)), (vec![1, 2, 3], vec![1, 2, 3]));
    assert_eq!(taken[..3].iter().filter(|(id, _)| *id == good).count(), 3, "others do not wait: {taken:?}");
    ask(&url, &bad, 3).await;
    program.call(&[listen.as_slice(), &["--from", &place, "--count", "1"]].concat()).await.ok();
    assert_eq!(failing.taken.lock().unwrap()[6..], [(bad, 4)], "where the last one ended");
    program.terminate().await;
}

/// One event for each connection, cut off in different places.
async fn one_event(State(asked): State<Arc<AtomicUsize>>, headers: HeaderMap) -> impl IntoResponse {
    let count = asked.fetch_add(1, Ordering::SeqCst);
    let sse = [("content-type", "text/event-stream")];
    let last: i64 = headers
        .get("last-event-id")
        .map_or(0, |id| id.to_str().unwrap().strip_prefix("orders=").unwrap().parse().unwrap());
    let next = last + 1;
    let event = format!("id: orders={next}\ndata: {{\"position\":{next}}}\n\n");
    match count % 4 {
        0 => (StatusCode::OK, sse, event),
        1 => (StatusCode::OK, sse, event[..event.len() / 2].to_owned()),
        2 => (StatusCode::SERVICE_UNAVAILABLE, sse, String::new()),
        _ => (StatusCode::OK, sse, format!(": still here\n\n{event}id: orders={}\nda", next + 1)),
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_anywhere_is_taken_up_where_it_was() {
    let asked = Arc::new(AtomicUsize::new(0));
    let url = serve(Router::new().route("/v1/events/stream", get(one_event)).with_state(asked.clone())).await;
    let (context, r#type, aggregate, from) = (None, None, None, "start".to_owned());
    let wanted = Wanted { context, r#type, aggregate, from, url: url.parse().unwrap() };
    let mut follower = Follower::new(&wanted).unwrap();
    for position in 1..=8 {
        let event = follower.next().await.unwrap();
        assert_eq!((event.data["position"].as_i64(), event.id), (Some(position), format!("orders={position}")));
    }
    assert!(asked.load(Ordering::SeqCst) >= 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_that_is_listed_can_be_made_to_happen() {
    let database = empty_database().await;
    let mut program = on(database.url());
    program.up().await;
    let listed = program.call(&["trigger", "--list"]).await.ok();
    assert!(listed.lines().count() > 35, "{listed}");
    let names: Vec<&str> = listed.lines().collect();
    for some in names.chunks(8) {
        let made = some.iter().map(async |name| (*name, program.call(&["trigger", name]).await.ok()));
        for (name, line) in futures::future::join_all(made).await {
            assert!(line.contains(&format!("  {} ", name.split('.').next().unwrap())), "{name}: {line}");
        }
    }
    let refused = program.call(&["trigger", "orders.order-plced"]).await;
    assert!(refused.failure().contains("handsel trigger --list"));
    program.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_followed_and_delivered_where_the_roles_run_apart() {
    let database = database().await;
    let program = Program::new(EXE, &[], &[("DATABASE_URL", database.url())]);
    let commands = Service::start(&program, &["command-api", "--without-relay"]).await;
    let queries = Service::start(&program, &["query-api"]).await;
    let reactor = Service::start(&program, &["reactor"]).await;
    let receiver = Receiver { status: Arc::new(AtomicU16::new(200)), ..Receiver::default() };
    let to = serve(Router::new().route("/", post(receive)).with_state(receiver.clone())).await;
    let wanted = json!({"url": to, "contexts": ["orders"]});
    let made = reqwest::Client::new().post(format!("{}/v1/webhooks", commands.url));
    let made = made.header("Handsel-Caller", "ana").header("Idempotency-Key", "\"hook\"").json(&wanted);
    assert_eq!(made.send().await.unwrap().status(), 201);
    let mut stream = reqwest::get(format!("{}/v1/events/stream", queries.url)).await.unwrap();
    import(&commands.url, "apart", 2).await;
    until("the webhook was called for both", ETA_MAX, async || receiver.got.lock().unwrap().len() == 2).await;
    let mut text = String::new();
    while text.matches("\ndata: ").count() < 2 {
        let chunk = tokio::time::timeout(ETA_MAX, stream.chunk()).await.expect("both come").unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    // An open stream keeps no role from ending.
    for service in [reactor, queries, commands] {
        assert!(service.terminate().await.success());
    }
}
