//! What a query waits for, and how long: its token, and the database.

use std::time::{Duration, Instant};

use envelope::{History, Position};
use platform::token::ConsistencyToken;
use serde_json::json;
use sqlx::PgPool;
use tests::{Program, empty_database};
use uuid::Uuid;

use super::super::EXE;
use super::world::{ACCOUNT, Answer, Api, Patience};

const ANA: &str = "Handsel-Caller: ana";

async fn import(api: &Api, key: &str, currency: &str) -> Answer {
    let total = json!({"amount_minor": 100, "currency": currency});
    let body = json!({"customer": ACCOUNT, "ordered_on": "1997-01-12", "units": 1, "total": total});
    api.post("/v1/orders/import", &[ANA, &format!("Idempotency-Key: {key}")], &body).await.expect(201)
}

/// What a client holds that was answered before a store lost its newest events.
fn of_another_history(api: &Api, context: &str) -> String {
    let token = ConsistencyToken::of(context, History(Uuid::new_v4()), &[(0, Position(1))]);
    format!("Consistency-Token: {}", token.encode(&api.tokens))
}

#[tokio::test]
async fn a_token_of_another_history_is_answered_at_once_with_a_warning_refusals_too() {
    let api = Api::start().await;
    for (key, currency) in [("a", "USD"), ("b", "EUR")] {
        let token = import(&api, key, currency).await.token();
        api.get("/v1/sales/summary?filter[currency]=USD", &[&token]).await.expect(200);
        api.get("/v1/orders", &[&token]).await.expect(200);
    }
    let foreign = [of_another_history(&api, "identity"), of_another_history(&api, "orders")];
    let tokens: Vec<&str> = foreign.iter().map(String::as_str).collect();
    for (path, status) in [
        ("/v1/orders".to_owned(), 200),
        (format!("/v1/orders/{ACCOUNT}"), 404),
        (format!("/v1/accounts/{ACCOUNT}"), 404),
        ("/v1/sales/summary".to_owned(), 400),
        ("/v1/sales/summary?filter[currency]=EUR".to_owned(), 200),
        ("/v1/events".to_owned(), 200),
    ] {
        let answer = api.get(&path, &tokens).await.expect(status);
        let warning = answer.header("warning");
        assert!(warning.starts_with("299 handsel \"") && warning.contains("another history"), "{path}: {warning}");
        assert!(!api.get(&path, &[]).await.expect(status).headers.contains_key("warning"), "{path}");
    }
}

#[tokio::test]
async fn a_query_waits_for_its_token_as_long_as_it_was_told() {
    let patience = Patience { wait_max: Duration::from_millis(1), ..Patience::default() };
    let api = Api::start_with(patience).await;
    let first = import(&api, "a", "USD").await.token();
    tests::until("the first order is shown", tests::ETA_MAX, async || {
        api.get("/v1/orders", &[&first]).await.status == 200
    })
    .await;
    let views = PgPool::connect(api.database.url()).await.unwrap();
    let mut held = views.begin().await.unwrap();
    let hold = "select from read.checkpoints where projection = 'orders' for update";
    sqlx::query(hold).execute(&mut *held).await.unwrap();
    let second = import(&api, "b", "USD").await.token();
    tests::until("it is told to come back sooner than after the usual two seconds", tests::ETA_MAX, async || {
        let begun = Instant::now();
        let late = api.get("/v1/orders", &[&second]).await.expect(503);
        assert_eq!(late.body["code"], "not-yet-visible");
        begun.elapsed() < Duration::from_secs(2)
    })
    .await;
    held.rollback().await.unwrap();
}

#[tokio::test]
async fn a_statement_that_hangs_is_stopped_and_the_caller_told_to_come_back() {
    let patience = Patience { statement_timeout: Some(Duration::from_millis(200)), ..Patience::default() };
    let api = Api::start_with(patience).await;
    api.get("/v1/orders", &[]).await.expect(200);
    let views = PgPool::connect(api.database.url()).await.unwrap();
    let mut held = views.begin().await.unwrap();
    sqlx::query("lock table read.orders_v1 in access exclusive mode").execute(&mut *held).await.unwrap();
    let slow = api.get("/v1/orders", &[]).await.expect(503);
    assert_eq!((slow.header("retry-after"), &slow.body["code"]), ("1", &json!("query-too-slow")));
    held.rollback().await.unwrap();
    api.get("/v1/orders", &[]).await.expect(200);
}

#[tokio::test]
async fn the_program_stops_a_statement_before_it_gives_up_the_request() {
    let database = empty_database().await;
    let mut program = Program::new(EXE, &["--request-timeout-ms", "4000"], &[("DATABASE_URL", database.url())]);
    program.up().await;
    assert_eq!(program.get("/v1/orders").await["has_more"], false);
    let views = PgPool::connect(database.url()).await.unwrap();
    let mut held = views.begin().await.unwrap();
    sqlx::query("lock table read.orders_v1 in access exclusive mode").execute(&mut *held).await.unwrap();
    let slow = reqwest::get(format!("{}/v1/orders", program.running().url)).await.unwrap();
    let slow = tests::Answer::read(slow).await;
    assert_eq!((slow.status, &slow.body["code"]), (503, &json!("query-too-slow")));
    held.rollback().await.unwrap();
    assert!(program.terminate().await.success(), "{}", program.logged());
}
