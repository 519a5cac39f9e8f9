//! An import against servers that refuse, go away and answer twice.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::routing::post;
use hyper::StatusCode;

use super::*;

#[derive(Default)]
struct Heard {
    answered: AtomicU64,
    said: Mutex<Vec<String>>,
}

impl Report for Arc<Heard> {
    fn answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    fn say(&self, line: &str) {
        self.said.lock().unwrap().push(line.to_owned());
    }
}

/// Two purchases of one customer.
fn source() -> (tempfile::NamedTempFile, Arc<Source>) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"00001 19970101 1 1.00\n00001 19970101 1 1.00\n").unwrap();
    let source = Arc::new(Source::open(file.path()).unwrap());
    (file, source)
}

async fn import(routes: Router, give_up_after: Option<Duration>) -> (anyhow::Result<Summary>, Arc<Heard>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(axum::serve(listener, routes).into_future());
    let (_file, source) = source();
    let (limits, heard) = (Limits { concurrency: 2, give_up_after }, Arc::new(Heard::default()));
    let importer = Importer::new(source, &url, limits, heard.clone()).unwrap().bearer("of-the-admin").unwrap();
    (importer.purchases().await, heard)
}

#[tokio::test]
async fn what_passes_is_tried_again_until_it_has_passed() {
    let asked = Arc::new(AtomicU64::new(0));
    let busy = move || {
        let asked = asked.clone();
        async move {
            match asked.fetch_add(1, Ordering::Relaxed) {
                0..4 => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")]).into_response(),
                _ => StatusCode::CREATED.into_response(),
            }
        }
    };
    let (summary, heard) = import(Router::new().route("/v1/orders/import", post(busy)), None).await;
    assert_eq!(summary.unwrap(), Summary { imported: 2, already_there: 0, refused: 0 });
    assert_eq!(heard.answered.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_replayed_answer_is_no_new_import() {
    let replayed = || async { (StatusCode::CREATED, [("idempotent-replayed", "true")]) };
    let (summary, _) = import(Router::new().route("/v1/orders/import", post(replayed)), None).await;
    assert_eq!(summary.unwrap(), Summary { imported: 0, already_there: 2, refused: 0 });
}

#[tokio::test]
async fn a_refusal_is_reported_with_its_line_and_the_rest_goes_on() {
    let problem = || async { (StatusCode::CONFLICT, r#"{"detail":"it was imported otherwise"}"#) };
    let (summary, heard) = import(Router::new().route("/v1/orders/import", post(problem)), None).await;
    assert_eq!(summary.unwrap().refused, 2);
    let mut said = heard.said.lock().unwrap().clone();
    said.sort();
    assert_eq!(said[1], "line 2: refused with 409 Conflict: it was imported otherwise");
}

#[tokio::test]
async fn a_server_that_stays_away_is_given_up_as_asked() {
    let away = || async { StatusCode::SERVICE_UNAVAILABLE };
    let routes = Router::new().route("/v1/orders/import", post(away));
    let (summary, _) = import(routes, Some(Duration::from_millis(100))).await;
    let why = format!("{:#}", summary.unwrap_err());
    assert!(why.contains("gave up") && why.contains("what is done stays done"), "{why}");
}

#[tokio::test]
async fn who_asks_is_proved_with_each_request() {
    let proofs = Arc::new(Mutex::new(Vec::new()));
    let seen = proofs.clone();
    let note = move |headers: HeaderMap| {
        let seen = seen.clone();
        async move {
            seen.lock().unwrap().push(headers["authorization"].clone());
            StatusCode::CREATED
        }
    };
    import(Router::new().route("/v1/orders/import", post(note)), None).await.0.unwrap();
    assert_eq!(*proofs.lock().unwrap(), ["Bearer of-the-admin"; 2]);
}

#[tokio::test]
async fn each_line_has_a_key_of_its_own_also_if_it_repeats_another() {
    let keys = Arc::new(Mutex::new(Vec::new()));
    let seen = keys.clone();
    let note = move |headers: HeaderMap| {
        let seen = seen.clone();
        async move {
            seen.lock().unwrap().push(headers["idempotency-key"].clone());
            StatusCode::CREATED
        }
    };
    import(Router::new().route("/v1/orders/import", post(note)), None).await.0.unwrap();
    let keys = keys.lock().unwrap();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1]);
}
