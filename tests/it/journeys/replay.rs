//! The same events in another, empty instance.

use event_schemas::Context;
use handsel::roles::Role;
use projectors::registry::READ_MODELS;
use serde_json::json;
use sqlx::PgPool;
use tests::{ETA_MAX, Program, TestApp, TestDatabase, World, broker, database, empty_database, until};
use uuid::Uuid;

use super::{CUT, EXE, market, shop};

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

async fn count(database: &TestDatabase, rows: &str) -> i64 {
    let pool = PgPool::connect(database.url()).await.unwrap();
    sqlx::query_scalar(&format!("select count(*) from {rows}")).fetch_one(&pool).await.unwrap()
}

/// Orders what the shop sells, and waits until it is paid and told of.
async fn sells_one(app: &TestApp, product: Uuid, customer: Uuid) -> Uuid {
    let order = Uuid::new_v4();
    let lines = json!([{"product": product, "sku": "WHITE", "quantity": 1}]);
    let wanted = json!({"order": order, "customer": customer, "payment_method": "pm_sim_ok", "lines": lines});
    market::made(app, "/v1/orders", &wanted).await;
    market::until_state(app, &format!("/v1/orders/{order}"), "confirmed").await;
    market::until_state(app, &format!("/v1/payments/{order}"), "authorized").await;
    order
}

#[tokio::test]
async fn a_replay_of_a_market_charges_and_tells_nobody_again_and_the_market_goes_on() {
    let World { app, broker: _broker, database } = World::start().await;
    let (product, customer) = (Uuid::new_v4(), Uuid::new_v4());
    market::made(&app, "/v1/accounts", &json!({"account": customer, "name": "Mia", "email": "mia@example.org"})).await;
    let draft = json!({"product": product, "seller": Uuid::new_v4(), "title": "Teapot",
                       "price": {"amount_minor": 4200, "currency": "EUR"},
                       "variants": [{"sku": "WHITE", "title": "White"}]});
    market::made(&app, "/v1/products", &draft).await;
    for step in ["propose", "approve"] {
        market::done(&app, &format!("/v1/products/{product}/{step}")).await;
    }
    market::made(&app, &format!("/v1/products/{product}/stock/WHITE/receive"), &json!({"quantity": 10})).await;
    let old = sells_one(&app, product, customer).await;
    until("the customer is told", ETA_MAX, async || count(&database, "react.inbox").await == 1).await;
    app.stop().await;

    let env = [("DATABASE_URL", database.url()), ("HANDSEL_MASTER_KEY", &"5a".repeat(32))];
    let program = Program::new(EXE, &[], &env);
    let there = empty_database().await;
    program.call(&["replay", "--into", there.url(), "--with-keys"]).await.ok();
    let events = count(&there, "es_payments.events").await;
    let other = broker().await;
    let copy = TestApp::start(&there, &other, &Role::ALL).await;
    let new = sells_one(&copy, product, customer).await;
    until("the customer is told", ETA_MAX, async || count(&there, "react.inbox").await == 1).await;
    // What was done for the old order stays done, and is done no second time.
    let of_old = format!("es_payments.events where aggregate_id = '{old}'");
    assert_eq!(count(&there, &of_old).await, events);
    for (what, of) in [("sim_payments.journal", "payment"), ("react.effects", "request->>'payment'")] {
        assert_eq!(count(&there, &format!("{what} where {of}::text = '{new}'")).await, 1, "{what}");
        assert_eq!(count(&there, what).await, 1, "{what}");
    }
    let stock = copy.get(&format!("/v1/products/{product}/stock/WHITE")).await.ok();
    assert_eq!((&stock["on_hand"], &stock["reserved"]), (&json!(10), &json!(2)), "{stock}");
    // The old one is still somebody's: it can be sent, and is paid then.
    market::made(&copy, &format!("/v1/orders/{old}/shipments"), &json!({})).await;
    until("its pieces are sold", ETA_MAX, async || {
        copy.get(&format!("/v1/products/{product}/stock/WHITE")).await.body["on_hand"] == 9
    })
    .await;
    copy.stop().await;
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
