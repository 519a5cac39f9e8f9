//! A receiver of webhooks as somebody outside would write it, and deliveries that run.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use platform::readiness::Readiness;
use platform::settings::Secret as Setting;
use reactors::webhooks::{self, Config, Pace, Secret, Sender, Targets};
use serde_json::{Value, json};
use tests::{ETA_MAX, until};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::world::{Answer, Api};

/// What was sent.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) headers: HeaderMap,
    pub(super) text: String,
    pub(super) body: Value,
}

type Answering = Arc<dyn Fn(&Got) -> Response + Send + Sync>;

#[derive(Clone)]
struct Inside {
    answer: Arc<Mutex<Answering>>,
    got: Arc<Mutex<Vec<Got>>>,
}

/// Listens until the test ends.
pub(super) struct Receiver {
    pub(super) url: String,
    inside: Inside,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("{name}")).to_str().unwrap()
    }

    /// What happened, to what, as how many-eth.
    pub(super) fn what(&self) -> (String, String, i64) {
        let event = &self.body["data"];
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        (text("event_type"), text("aggregate_id"), event["sequence"].as_i64().unwrap_or_default())
    }
}

impl Receiver {
    pub(super) async fn start(answer: impl Fn(&Got) -> Response + Send + Sync + 'static) -> Self {
        let inside = Inside { answer: Arc::new(Mutex::new(Arc::new(answer))), got: Arc::default() };
        let routes = Router::new().route("/hook", post(receive)).with_state(inside.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, routes).into_future());
        Self { url, inside }
    }

    /// Takes everything.
    pub(super) async fn taking() -> Self {
        Self::start(|_| ().into_response()).await
    }

    /// From now on it answers otherwise.
    pub(super) fn answer(&self, answer: impl Fn(&Got) -> Response + Send + Sync + 'static) {
        *self.inside.answer.lock().unwrap() = Arc::new(answer);
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.inside.got.lock().unwrap().clone()
    }

    /// Waits until so many came.
    pub(super) async fn until(&self, count: usize) -> Vec<Got> {
        until(&format!("{count} messages came"), ETA_MAX, async || self.got().len() >= count).await;
        self.got()
    }
}

async fn receive(State(inside): State<Inside>, headers: HeaderMap, body: Bytes) -> Response {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let got = Got { headers, body: serde_json::from_str(&text).unwrap(), text };
    inside.got.lock().unwrap().push(got.clone());
    let answer = inside.answer.lock().unwrap().clone();
    // Nothing is left to be said when it is not to answer.
    let response = answer(&got);
    if response.extensions().get::<Silent>().is_some() { std::future::pending().await } else { response }
}

/// Marks an answer that never comes.
#[derive(Clone, Copy)]
pub(super) struct Silent;

/// Deliveries that run until they are dropped.
pub(super) struct Delivering {
    task: JoinHandle<anyhow::Result<()>>,
    pub(super) readiness: Readiness,
}

impl Delivering {
    pub(super) fn start(api: &Api, targets: Targets) -> Self {
        let readiness = Readiness::new();
        readiness.started();
        let config = Config {
            url: Setting::new(api.database.url()),
            stores: api.opened.clone(),
            secrets: api.secrets.clone(),
            sender: Sender::new(targets).unwrap(),
            pace: Pace {
                first: Duration::from_millis(20),
                factor: 2,
                longest: Duration::from_millis(100),
                attempts_max: 4,
            },
            readiness: readiness.clone(),
        };
        Self { task: tokio::spawn(webhooks::run(config, CancellationToken::new())), readiness }
    }
}

/// Ends it as a crash does.
impl Drop for Delivering {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A webhook that leads to a receiver.
pub(super) async fn subscribe(api: &Api, key: &str, wanted: Value) -> Answer {
    let key = format!("Idempotency-Key: {key}");
    api.post("/v1/webhooks", &["Handsel-Caller: ana", &key], &wanted).await.expect(201)
}

/// Checks the signature as a receiver does, which takes any of several.
pub(super) fn is_signed(got: &Got, secret: &str) -> bool {
    let secret = Secret::parse(secret).unwrap();
    let timestamp = got.header("webhook-timestamp").parse().unwrap();
    let expected = secret.sign(got.header("webhook-id"), timestamp, &got.text);
    got.header("webhook-signature").split(' ').any(|signature| signature == expected)
}

/// Registers somebody and gives the path.
pub(super) async fn register(api: &Api, name: &str) -> String {
    let account = json!({"name": name, "email": format!("{name}@example.org")});
    let key = format!("Idempotency-Key: {name}");
    let made = api.post("/v1/accounts", &["Handsel-Caller: ana", &key], &account).await.expect(201);
    made.header("location").to_owned()
}

pub(super) async fn rename(api: &Api, path: &str, version: i64, name: &str) {
    let held = format!("If-Match: \"{version}\"");
    let patch = ["content-type: application/merge-patch+json", "Handsel-Caller: ana", &held];
    api.send(reqwest::Method::PATCH, path, &patch, json!({"name": name}).to_string()).await.expect(204);
}

/// The id in a path.
pub(super) fn id(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}
