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
use tests::{Program, empty_database};
use tokio::net::TcpListener;

use super::on;
use crate::api::world::ACCOUNT;

async fn serve(routes: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, routes).into_future());
    url
}

/// Imports so many orders.
async fn import(program: &Program, key: &str, count: usize) {
    let total = json!({"amount_minor": 100, "currency": "USD"});
    let order = json!({"customer": ACCOUNT, "ordered_on": "1997-01-12", "units": 1, "total": total});
    let request = reqwest::Client::new().post(format!("{}/v1/orders/import-batch", program.running().url));
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
    import(&program, "a", 3).await;
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
