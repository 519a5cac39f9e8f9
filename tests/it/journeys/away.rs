//! The broker is away: commands and queries go on, and when it is back the topics are whole again.

use event_schemas::Context;
use handsel::roles::Role;
use serde_json::json;
use tests::{ETA_MAX, Program, TestApp, database, embedded_broker, empty_database, until};

use super::{EXE, kafka, shop};

fn order() -> serde_json::Value {
    json!({"customer": "018f4e7a-0000-7000-8000-000000000001", "ordered_on": "1997-01-12", "units": 5,
           "total": {"amount_minor": 7700, "currency": "USD"}})
}

#[tokio::test]
async fn commands_go_on_while_the_broker_is_away_and_everything_resumes() {
    let (database, mut broker) = (database().await, embedded_broker().await);
    let app = TestApp::start(&database, &broker, &Role::ALL).await;
    let import = async |key: &str| {
        let answer = app.post("/v1/orders/import", key, &order()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let (place, token) = (answer.header("location").to_owned(), answer.header("consistency-token").to_owned());
        assert_eq!(app.get_after(&place, &token).await.status, 200);
    };
    import("before").await;
    broker.stop().await;
    for number in 0..20 {
        import(&format!("away-{number}")).await;
    }
    let ready = reqwest::get(format!("{}/readyz?verbose", app.admin_url)).await.unwrap();
    assert_eq!(ready.status(), 200, "{}", ready.text().await.unwrap());
    until("readiness says what waits for what", ETA_MAX, async || {
        let said = reqwest::get(format!("{}/readyz?verbose", app.admin_url)).await.unwrap().text().await.unwrap();
        said.contains("[+]relay-orders ok, but events wait in the store until the broker answers: waiting-for-broker")
    })
    .await;
    broker.start_again().await;
    import("after").await;
    kafka::topic_holds_the_store(&broker, &app.spine, Context::Orders).await;
    let summary = app.get("/v1/sales/summary").await.ok();
    assert_eq!(summary["orders"], json!(22));
    shop::every_store_verifies(&app.spine).await;
    app.stop().await;
}

#[tokio::test]
async fn up_starts_while_the_broker_is_away_and_publishes_when_it_is_there() {
    let (database, mut broker) = (empty_database().await, embedded_broker().await);
    broker.stop().await;
    let env = [("DATABASE_URL", database.url()), ("KAFKA_BROKERS", broker.brokers())];
    let mut program = Program::new(EXE, &[], &env);
    program.up().await;
    let asked = reqwest::Client::new()
        .post(format!("{}/v1/orders/import", program.running().url))
        .header("idempotency-key", "\"away\"")
        .header("handsel-caller", "tester")
        .json(&order());
    assert_eq!(asked.send().await.unwrap().status(), 201);
    until("it is shown", ETA_MAX, || async { program.get("/v1/sales/summary").await["orders"] == json!(1) }).await;
    broker.start_again().await;
    until("the topic has it", ETA_MAX, || async {
        let said = program.call(&["verify"]).await.stdout;
        said.contains(
            "orders.events.v1 has 1 records, 0 of them repeats, for the events up to position 1, 0 behind: holds",
        )
    })
    .await;
    assert!(program.terminate().await.success(), "{}", program.logged());
}
