//! A role alone says in one line what it lacks, and lacks nothing that it does not use.

use tests::{Program, Service, database, empty_database};

use super::{EXE, on};

/// Nobody listens there.
const AWAY: &str = "postgres://nobody@127.0.0.1:1/nothing";
const FREE_PORTS: [&str; 4] = ["--port", "0", "--admin-port", "0"];

fn words<'a>(role: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[role][..], &FREE_PORTS, more].concat()
}

#[tokio::test]
async fn a_role_alone_says_what_it_lacks() {
    let program = Program::new(EXE, &[], &[]);
    let line = program.call(&words("query-api", &[])).await.failure();
    assert!(line.contains("DATABASE_URL"), "{line}");
    let line = on("postgres://localhost/nowhere").call(&words("relay", &[])).await.failure();
    assert!(line.contains("KAFKA_BROKERS"), "{line}");
}

#[tokio::test]
async fn read_models_that_are_not_there_or_newer_are_one_clear_line() {
    let nothing = empty_database().await;
    let line = on(nothing.url()).call(&words("query-api", &[])).await.failure();
    assert!(line.contains("handsel migrate"), "{line}");
    let newer = database().await;
    sqlx::query("update read._sqlx_migrations set version = 99990101000000")
        .execute(&sqlx::PgPool::connect(newer.url()).await.unwrap())
        .await
        .unwrap();
    for role in ["query-api", "projector"] {
        let line = on(newer.url()).call(&words(role, &[])).await.failure();
        assert!(line.contains("newer version"), "{line}");
    }
}

#[tokio::test]
async fn queries_need_the_read_models_alone() {
    let views = database().await;
    let env = [("DATABASE_URL", AWAY), ("HANDSEL_VIEWS_DATABASE_URL", views.url())];
    let program = Program::new(EXE, &[], &env);
    let service = Service::start(&program, &["query-api", "--contexts", "orders"]).await;
    let found = async |path: &str| reqwest::get(format!("{}{path}", service.url)).await.unwrap().status().as_u16();
    assert_eq!(found("/v1/sales/summary").await, 200);
    assert_eq!(found("/v1/accounts").await, 404, "another one answers for identity");
    assert_eq!(found("/v1/events").await, 404, "it is of all contexts");
    assert!(service.terminate().await.success());
}

#[tokio::test]
async fn commands_of_a_context_need_its_store_alone() {
    let orders = database().await;
    let env = [("DATABASE_URL", AWAY), ("HANDSEL_ORDERS_DATABASE_URL", orders.url())];
    let program = Program::new(EXE, &[], &env);
    let service = Service::start(&program, &["command-api", "--without-relay", "--contexts", "orders"]).await;
    let order = serde_json::json!({"customer": "018f4e7a-0000-7000-8000-000000000001", "ordered_on": "1997-01-12",
                                   "units": 5, "total": {"amount_minor": 7700, "currency": "USD"}});
    let asked = reqwest::Client::new().post(format!("{}/v1/orders/import", service.url));
    let asked = asked.header("idempotency-key", "\"one\"").header("handsel-caller", "tester").json(&order);
    assert_eq!(asked.send().await.unwrap().status(), 201);
    let missing = reqwest::Client::new().post(format!("{}/v1/accounts", service.url)).send().await.unwrap();
    assert_eq!(missing.status(), 404);
    assert!(service.terminate().await.success());
}

#[tokio::test]
async fn a_relay_needs_no_keys_and_no_read_models() {
    let (orders, broker) = (database().await, tests::broker().await);
    let env = [
        ("DATABASE_URL", AWAY),
        ("HANDSEL_ORDERS_DATABASE_URL", orders.url()),
        ("KAFKA_BROKERS", broker.brokers()),
        ("HANDSEL_TOPIC_PREFIX", broker.prefix()),
    ];
    let program = Program::new(EXE, &[], &env);
    let service = Service::start(&program, &["relay", "--contexts", "orders"]).await;
    assert!(!program.folder().join("master.key").exists(), "it opens nothing");
    assert!(service.terminate().await.success());
}
