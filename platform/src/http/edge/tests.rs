//! What every route has, whatever it does.

use axum::body::{Body, to_bytes};
use axum::routing::{get, post};
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;
use crate::http::Json;

const BODY_BYTES: usize = 100;

fn router() -> Router {
    let router = Router::new()
        .route("/fine", get(async || "fine"))
        .route("/panics", get(async || -> &'static str { panic!("on purpose") }))
        .route("/hangs", get(async || std::future::pending::<&'static str>().await))
        .route("/takes", post(async |Json(_): Json<Value>| "taken"));
    edge(router, EdgeSettings { timeout: Duration::from_millis(50), body_bytes_max: BODY_BYTES })
}

async fn ask(method: &str, path: &str, body: Vec<u8>) -> (StatusCode, Value, Response) {
    let request = axum::http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .header("x-request-id", "abc")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let response = router().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    (parts.status, json, Response::from_parts(parts, Body::empty()))
}

#[tokio::test]
async fn a_request_keeps_its_id_and_a_problem_its_trace() {
    let (status, _, response) = ask("GET", "/fine", vec![]).await;
    assert_eq!((status, &response.headers()["x-request-id"]), (StatusCode::OK, &HeaderValue::from_static("abc")));
    let (status, problem, response) = ask("GET", "/nowhere", vec![]).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &Value::from("no-such-route")));
    assert_eq!(problem["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!((&problem["instance"], &problem["type"]), (&"/nowhere".into(), &"/problems/no-such-route".into()));
    assert_eq!(response.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn another_method_is_refused_with_those_that_work() {
    let (status, problem, response) = ask("DELETE", "/fine", vec![]).await;
    assert_eq!((status, &problem["code"]), (StatusCode::METHOD_NOT_ALLOWED, &"method-not-allowed".into()));
    assert_eq!(response.headers()["allow"], "GET,HEAD");
}

#[tokio::test]
async fn a_panic_tells_nothing_but_its_trace() {
    let (status, problem, _) = ask("GET", "/panics", vec![]).await;
    assert_eq!((status, &problem["code"]), (StatusCode::INTERNAL_SERVER_ERROR, &"internal".into()));
    assert!(!problem.to_string().contains("on purpose"));
}

#[tokio::test]
async fn a_request_that_hangs_is_given_up() {
    let (status, problem, response) = ask("GET", "/hangs", vec![]).await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &"timeout".into()));
    assert_eq!(response.headers()["retry-after"], "1");
}

#[tokio::test]
async fn a_body_has_an_end() {
    let of = |bytes| format!("{{{:1$}", '}', bytes - 1).into_bytes();
    let (status, _, _) = ask("POST", "/takes", of(BODY_BYTES)).await;
    assert_eq!(status, StatusCode::OK);
    let (status, problem, _) = ask("POST", "/takes", of(BODY_BYTES + 1)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &"body-too-large".into()));
    assert_eq!(problem["detail"], "the body is longer than 100 bytes; split it into several requests");
}
