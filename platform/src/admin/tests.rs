use axum::body::Body;
use axum::http::Request;
use tower::ServiceExt;

use super::*;

async fn ask(readiness: &Readiness, path: &str) -> (StatusCode, String) {
    let routes = routes(readiness.clone(), crate::metrics::install().unwrap());
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = routes.oneshot(request).await.unwrap();
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_process_is_alive_before_it_is_ready() {
    let readiness = Readiness::new();
    let check = readiness.check("postgres");
    assert_eq!(ask(&readiness, "/livez").await, (StatusCode::OK, "ok\n".to_owned()));
    assert_eq!(ask(&readiness, "/startupz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    readiness.started();
    let (status, body) = ask(&readiness, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("[-]postgres failed: starting"), "{body}");
    check.pass();
    assert_eq!(ask(&readiness, "/readyz").await, (StatusCode::OK, "ok\n".to_owned()));
    assert!(ask(&readiness, "/readyz?verbose").await.1.contains("[+]postgres ok"));
}

#[tokio::test]
async fn nothing_but_health_and_metrics_is_served() {
    let readiness = Readiness::new();
    crate::metrics::install().unwrap();
    ::metrics::counter!("platform_test_total").increment(2);
    let (status, body) = ask(&readiness, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("platform_test_total 2"), "{body}");
    assert_eq!(ask(&readiness, "/v1/anything").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn it_answers_that_it_is_not_ready_while_parts_drain() {
    let (readiness, shutdown) = (Readiness::new(), Shutdown::new());
    readiness.started();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = serve(listener, readiness.clone(), crate::metrics::install().unwrap(), shutdown.clone());
    let serving = tokio::spawn(serving);
    assert!(status_line(address).await.starts_with("HTTP/1.1 200"));
    shutdown.begin();
    while readiness.is_ready() {
        tokio::task::yield_now().await;
    }
    assert!(status_line(address).await.starts_with("HTTP/1.1 503"));
    assert!(!serving.is_finished());
}

async fn status_line(address: std::net::SocketAddr) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
