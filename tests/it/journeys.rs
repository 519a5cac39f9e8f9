//! A shop's whole history goes through the system: imported, read, killed in between, checked, built again.

mod apart;
mod away;
mod full;
mod kafka;
mod killed;
mod market;
mod replay;
pub(super) mod shop;

use std::time::Duration;

use event_schemas::Context;
use handsel::instance::Urls;
use handsel::roles::Role;
use platform::settings::Secret;
use tests::{Program, TestApp, World, broker, database};

use super::EXE;
use shop::Shop;

/// The lines of the cut, after the header.
const CUT: Shop = Shop { orders: 243, customers: 40, units: 699, revenue_minor: 952_688, days: 120 };

#[tokio::test]
async fn a_shop_is_imported_twice_and_everything_reads_as_in_the_file() {
    let World { app, broker, database: _database } = World::start().await;
    let file = shop::cut();
    let importer = Program::new(EXE, &[], &[("HANDSEL_URL", &app.url)]);
    let said = importer.call(&["import", "cdnow", &file]).await.ok();
    assert!(said.contains("customers: 40 imported, 0 already there, 0 refused"), "{said}");
    assert!(said.contains("purchases: 243 imported, 0 already there, 0 refused, 0 bad lines skipped"), "{said}");
    CUT.is_read_from(&app.url).await;
    shop::customer_has_the_orders_of_the_file(&app.url, "00002").await;
    shop::customer_has_the_orders_of_the_file(&app.url, "00499").await;
    let said = importer.call(&["import", "cdnow", &file, "--concurrency", "3"]).await.ok();
    assert!(said.contains("customers: 0 imported, 40 already there"), "{said}");
    assert!(said.contains("purchases: 0 imported, 243 already there"), "{said}");
    CUT.is_read_from(&app.url).await;
    kafka::topic_holds_the_store(&broker, &app.spine, Context::Identity).await;
    kafka::topic_holds_the_store(&broker, &app.spine, Context::Orders).await;
    shop::every_store_verifies(&app.spine).await;
    app.stop().await;
}

#[tokio::test]
async fn after_the_ledger_has_forgotten_an_import_still_changes_nothing() {
    let World { app, broker: _broker, database } = World::start().await;
    let file = shop::cut();
    let importer = Program::new(EXE, &[], &[("HANDSEL_URL", &app.url)]);
    importer.call(&["import", "cdnow", &file]).await.ok();
    let pool = sqlx::PgPool::connect(database.url()).await.unwrap();
    for context in Context::ALL {
        sqlx::query(&format!("delete from es_{context}.commands")).execute(&pool).await.unwrap();
    }
    let said = importer.call(&["import", "cdnow", &file]).await.ok();
    assert!(said.contains("purchases: 0 imported, 243 already there, 0 refused"), "{said}");
    CUT.is_read_from(&app.url).await;
    app.stop().await;
}

#[tokio::test]
async fn bad_lines_are_reported_with_their_numbers_and_skipped() {
    let World { app, broker: _broker, database: _database } = World::start().await;
    let importer = Program::new(EXE, &[], &[("HANDSEL_URL", &app.url)]);
    let mut lines: Vec<String> = std::fs::read_to_string(shop::cut()).unwrap().lines().map(str::to_owned).collect();
    lines.insert(3, "oops".to_owned());
    lines.insert(10, " 00003 19970231  1   11.77".to_owned());
    // Fine as a line, and refused by a rule: no purchase has no pieces.
    lines.insert(20, " 00003 19970201  0   11.77".to_owned());
    let file = importer.folder().join("bad.txt");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let finished = importer.call(&["import", "cdnow", &file.display().to_string()]).await;
    assert!(!finished.status.success(), "a refused purchase is a failure");
    assert!(finished.stderr.contains("line 4: skipped: 1 columns"), "{}", finished.stderr);
    assert!(finished.stderr.contains("line 11: skipped: `19970231` is no date"), "{}", finished.stderr);
    assert!(finished.stderr.contains("line 21: refused with 4"), "{}", finished.stderr);
    assert!(
        finished.stdout.contains("243 imported, 0 already there, 1 refused, 2 bad lines skipped"),
        "{}",
        finished.stdout
    );
    CUT.is_read_from(&app.url).await;
    app.stop().await;
}

#[tokio::test]
async fn each_context_may_have_a_database_of_its_own() {
    let (identity, orders, products) = tokio::join!(database(), database(), database());
    let (payments, keys, views) = tokio::join!(database(), database(), database());
    let url = |database: &tests::TestDatabase| Secret::new(database.url());
    let stores = [
        (Context::Identity, &identity),
        (Context::Orders, &orders),
        (Context::Products, &products),
        (Context::Payments, &payments),
    ];
    let stores = stores.map(|(context, database)| (context, url(database))).into();
    let urls = Urls { stores, keys: url(&keys), views: url(&views) };
    let broker = broker().await;
    let app = TestApp::start_on(urls, &broker, &Role::ALL).await;
    let importer = Program::new(EXE, &[], &[("HANDSEL_URL", &app.url)]);
    importer.call(&["import", "cdnow", &shop::cut()]).await.ok();
    CUT.is_read_from(&app.url).await;
    // Nothing went elsewhere.
    let count = |database: &tests::TestDatabase, table: &'static str| {
        let url = database.url().to_owned();
        async move {
            let pool = sqlx::PgPool::connect(&url).await.unwrap();
            sqlx::query_scalar::<_, i64>(&format!("select count(*) from {table}")).fetch_one(&pool).await.unwrap()
        }
    };
    assert_eq!(count(&identity, "es_identity.events").await, 40);
    assert_eq!(count(&identity, "es_orders.events").await, 0);
    assert_eq!(count(&orders, "es_orders.events").await, 243);
    assert_eq!(count(&keys, "keys.subject_keys").await, 40);
    assert_eq!(count(&orders, "keys.subject_keys").await, 0);
    assert_eq!(count(&views, "read.orders").await, 243);
    shop::every_store_verifies(&app.spine).await;
    app.stop().await;
}

#[tokio::test]
async fn roles_apart_are_the_same_system() {
    let (database, broker) = (database().await, broker().await);
    let write = TestApp::start(&database, &broker, &[Role::CommandApi, Role::Relay]).await;
    let project = TestApp::start(&database, &broker, &[Role::Projector]).await;
    let read = TestApp::start(&database, &broker, &[Role::QueryApi]).await;
    let importer = Program::new(EXE, &[], &[("HANDSEL_URL", &write.url)]);
    importer.call(&["import", "cdnow", &shop::cut()]).await.ok();
    CUT.is_read_from(&read.url).await;
    let body = serde_json::json!({"name": "Ana", "email": "ana@example.org"});
    let made = write.post("/v1/accounts", &uuid::Uuid::new_v4().to_string(), &body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let seen = read.get_after(made.header("location"), made.header("consistency-token")).await.ok();
    assert_eq!(seen["name"], "Ana", "{seen}");
    for app in [read, project, write] {
        tokio::time::timeout(Duration::from_secs(10), app.stop()).await.expect("it drains in time");
    }
}
