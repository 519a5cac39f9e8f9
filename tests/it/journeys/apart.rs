//! Each role is a process of its own, as on several machines: together they are the same system.

use event_schemas::Context;
use tests::{Answer, ETA_MAX, Program, Service, TestBroker, TestDatabase, broker, empty_database, until};

use super::{CUT, EXE, shop};

/// What all the processes are told. The folder stands for the master key that they share.
async fn prepared(database: &TestDatabase, broker: &TestBroker) -> Program {
    let env = [
        ("DATABASE_URL", database.url()),
        ("KAFKA_BROKERS", broker.brokers()),
        ("HANDSEL_TOPIC_PREFIX", broker.prefix()),
        ("KAFKA_FETCH_WAIT_MAX_MS", "5"),
    ];
    let program = Program::new(EXE, &[], &env);
    let said = program.call(&["migrate"]).await.ok();
    assert!(said.contains("databases: up to date"), "{said}");
    program
}

async fn import(program: &Program, into: &Service) {
    let mut command = program.command(&["import", "cdnow", &shop::cut()]);
    let output = command.env("HANDSEL_URL", &into.url).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn until_verified(program: &Program, broker: &TestBroker) {
    let whole = format!("{} has 243 records", broker.topic(Context::Orders));
    until("the topics are whole", ETA_MAX, || async {
        let said = program.call(&["verify"]).await.stdout;
        said.contains(&whole) && said.contains("position 243, 0 behind: holds")
    })
    .await;
}

#[tokio::test]
async fn four_roles_in_four_processes_are_the_same_system() {
    let (database, broker) = (empty_database().await, broker().await);
    let program = prepared(&database, &broker).await;
    let commands = Service::start(&program, &["command-api", "--without-relay"]).await;
    let relay = Service::start(&program, &["relay"]).await;
    let projector = Service::start(&program, &["projector"]).await;
    let queries = Service::start(&program, &["query-api"]).await;
    import(&program, &commands).await;
    CUT.is_read_from(&queries.url).await;
    let asked = reqwest::Client::new()
        .post(format!("{}/v1/accounts", commands.url))
        .header("idempotency-key", "\"ana\"")
        .header("handsel-caller", "tester")
        .json(&serde_json::json!({"name": "Ana", "email": "ana@example.org"}));
    let made = Answer::read(asked.send().await.unwrap()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let asked = reqwest::Client::new()
        .get(format!("{}{}", queries.url, made.header("location")))
        .header("consistency-token", made.header("consistency-token"));
    let seen = Answer::read(asked.send().await.unwrap()).await.ok();
    assert_eq!(seen["name"], "Ana", "{seen}");
    until_verified(&program, &broker).await;
    for service in [queries, projector, relay, commands] {
        assert!(service.terminate().await.success());
    }
}

#[tokio::test]
async fn each_context_is_a_service_of_its_own() {
    let (database, broker) = (empty_database().await, broker().await);
    let program = prepared(&database, &broker).await;
    let start = async |words: &[&str]| Service::start(&program, words).await;
    let (people, orders) = (
        start(&["command-api", "--contexts", "identity"]).await,
        start(&["command-api", "--contexts", "orders"]).await,
    );
    // The read models of orders in two processes, and what reads every context in a third.
    let summary = start(&["projector", "--contexts", "orders", "--only", "sales_summary"]).await;
    let others = start(&["projector", "--contexts", "orders"]).await;
    let audit = start(&["projector", "--only", "audit_log"]).await;
    let queries = start(&["query-api"]).await;
    let posted = async |service: &Service, path: &str| {
        let asked = reqwest::Client::new().post(format!("{}{path}", service.url)).json(&serde_json::json!({}));
        asked.send().await.unwrap().status().as_u16()
    };
    assert_eq!(posted(&people, "/v1/orders/import").await, 404);
    assert_eq!(posted(&orders, "/v1/accounts").await, 404);
    assert_ne!(posted(&people, "/v1/accounts").await, 404);
    let lines = shop::purchases();
    for (number, order) in lines.iter().enumerate() {
        let asked = reqwest::Client::new()
            .post(format!("{}/v1/orders/import", orders.url))
            .header("idempotency-key", format!("\"line-{number}\""))
            .header("handsel-caller", "tester")
            .json(order);
        assert_eq!(asked.send().await.unwrap().status(), 201);
    }
    CUT.is_read_from(&queries.url).await;
    until("all of it is in the audit log", ETA_MAX, || async {
        shop::all(&queries.url, "/v1/events?filter[context]=orders").await.len() == lines.len()
    })
    .await;
    until_verified(&program, &broker).await;
    for service in [queries, audit, others, summary, orders, people] {
        assert!(service.terminate().await.success());
    }
}
