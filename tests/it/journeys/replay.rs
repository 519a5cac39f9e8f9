//! The same events in another, empty instance.

use event_schemas::Context;
use handsel::roles::Role;
use projectors::registry::READ_MODELS;
use sqlx::PgPool;
use tests::{Program, TestApp, TestDatabase, World, broker, database, empty_database};

use super::{CUT, EXE, shop};

/// Every row of a read model, in order, as bytes.
async fn rows(database: &TestDatabase, view: &str) -> String {
    let pool = PgPool::connect(database.url()).await.unwrap();
    let all = format!("select coalesce(string_agg(v::text, e'\\n' order by v::text), '') from read.{view} v");
    sqlx::query_scalar(&all).fetch_one(&pool).await.unwrap()
}

#[tokio::test]
async fn a_replay_into_an_empty_instance_has_the_same_chain_and_the_same_views() {
    let World { app, broker: _broker, database } = World::start().await;
    let env =
        [("HANDSEL_URL", app.url.as_str()), ("DATABASE_URL", database.url()), ("HANDSEL_MASTER_KEY", &"5a".repeat(32))];
    let program = Program::new(EXE, &[], &env);
    program.call(&["import", "cdnow", &shop::cut()]).await.ok();
    CUT.is_read_from(&app.url).await;
    let there = empty_database().await;
    let said = program.call(&["replay", "--into", there.url(), "--with-keys"]).await.ok();
    assert!(said.contains("keys: 40 carried"), "{said}");
    for context in Context::ALL {
        let report = event_store::verify::store(&app.spine.stores[&context].reader(), |_, _| {}).await.unwrap();
        assert!(said.contains(&format!("{context}: {} events, chain {}", report.head, report.chain)), "{said}");
    }
    for view in READ_MODELS.iter().map(|model| model.name) {
        assert_eq!(rows(&database, view).await, rows(&there, view).await, "{view}");
    }
    // Again changes nothing, and the copy is an instance that works.
    program.call(&["replay", "--into", there.url(), "--with-keys"]).await.ok();
    let other = broker().await;
    let copy = TestApp::start(&there, &other, &Role::ALL).await;
    CUT.is_read_from(&copy.url).await;
    let body = serde_json::json!({"name": "Ana", "email": "ana@example.org"});
    assert_eq!(copy.post("/v1/accounts", "one", &body).await.status, 201);
    copy.stop().await;
    app.stop().await;
}

#[tokio::test]
async fn a_replay_without_keys_forgets_who_people_are() {
    let World { app, broker: _broker, database } = World::start().await;
    let env = [("DATABASE_URL", database.url()), ("HANDSEL_MASTER_KEY", &"5a".repeat(32))];
    let program = Program::new(EXE, &[], &env);
    let body = serde_json::json!({"name": "Ana", "email": "ana@example.org"});
    assert_eq!(app.post("/v1/accounts", "one", &body).await.status, 201);
    let there = empty_database().await;
    program.call(&["replay", "--into", there.url()]).await.ok();
    let accounts = rows(&there, "accounts").await;
    assert!(!accounts.is_empty() && !accounts.contains("Ana"), "{accounts}");
    app.stop().await;
}

#[tokio::test]
async fn a_replay_into_what_is_not_empty_is_refused() {
    let World { app, broker: _broker, database } = World::start().await;
    let env = [("DATABASE_URL", database.url()), ("HANDSEL_MASTER_KEY", &"5a".repeat(32))];
    let program = Program::new(EXE, &[], &env);
    let World { app: other, broker: _other_broker, database: there } = World::start().await;
    for app in [&app, &other] {
        let body = serde_json::json!({"name": "Ana", "email": "ana@example.org"});
        assert_eq!(app.post("/v1/accounts", "one", &body).await.status, 201);
    }
    other.stop().await;
    let line = program.call(&["replay", "--into", there.url()]).await.stderr;
    assert!(line.contains("empty database"), "{line}");
    app.stop().await;
}

#[tokio::test]
async fn events_are_written_as_cloud_events_one_per_line() {
    let World { app, broker: _broker, database } = World::start().await;
    let body = serde_json::json!({"name": "Ana", "email": "ana@example.org", "reference": "00002"});
    assert_eq!(app.post("/v1/accounts", "one", &body).await.status, 201);
    let env = [("DATABASE_URL", database.url()), ("HANDSEL_MASTER_KEY", &"5a".repeat(32))];
    let said =
        Program::new(EXE, &[], &env).call(&["replay", "--context", "identity", "--from", "1", "--to", "1"]).await.ok();
    let event: serde_json::Value = serde_json::from_str(said.trim()).unwrap();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["type"], "com.handsel.identity.account-registered.v1");
    assert_eq!(event["data"]["reference"], "00002");
    assert_eq!((&event["position"], &event["sequence"], &event["actor"]), (&"1".into(), &"1".into(), &"tester".into()));
    assert!(!said.contains("Ana"), "personal data stays sealed: {said}");
    app.stop().await;
}

#[tokio::test]
async fn recovery_begins_a_new_history_and_views_are_built_again() {
    let database = database().await;
    let broker = broker().await;
    let key = "5a".repeat(32);
    let mut env = vec![("DATABASE_URL", database.url()), ("HANDSEL_MASTER_KEY", &key)];
    // The embedded broker forgets when its `up` ends, which is before a recovery.
    if !broker.is_embedded() {
        env.extend([("KAFKA_BROKERS", broker.brokers()), ("HANDSEL_TOPIC_PREFIX", broker.prefix())]);
    }
    let app = TestApp::start(&database, &broker, &Role::ALL).await;
    let importer = Program::new(EXE, &[], &[("HANDSEL_URL", &app.url)]);
    importer.call(&["import", "cdnow", &shop::cut()]).await.ok();
    CUT.is_read_from(&app.url).await;
    let program = Program::new(EXE, &[], &env);
    let line = program.call(&["recover", "orders"]).await.failure();
    assert!(line.contains("orders"), "somebody works on the store: {line}");
    let before = app.spine.stores[&Context::Orders].history();
    app.stop().await;
    let said = program.call(&["recover", "orders"]).await.ok();
    assert!(said.contains(&before.to_string()) && said.contains("243 events stay"), "{said}");
    let broker = if broker.is_embedded() { tests::broker().await } else { broker };
    let app = TestApp::start(&database, &broker, &Role::ALL).await;
    assert_ne!(app.spine.stores[&Context::Orders].history(), before);
    CUT.is_read_from(&app.url).await;
    super::kafka::topic_holds_the_store(&broker, &app.spine, Context::Orders).await;
    app.stop().await;
}
