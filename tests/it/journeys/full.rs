//! Postgres has no room, or the keys are away: callers are told to come again, operators are told what is wrong.

use event_schemas::Context;
use handsel::instance::Urls;
use handsel::roles::Role;
use platform::settings::Secret;
use serde_json::json;
use sqlx::PgPool;
use tests::{ETA_MAX, TestApp, World, broker, database, until};

/// What Postgres says when the disk is full, said by a trigger.
const FULL: &str = r#"
    set search_path = es_orders;
    create function full_disk() returns trigger language plpgsql as $$ begin
        raise exception 'could not extend file "base/1/2": No space left on device' using errcode = '53100';
    end $$;
    create trigger full_disk before insert on events for each statement execute function full_disk()"#;

async fn readiness(app: &TestApp) -> String {
    reqwest::get(format!("{}/readyz?verbose", app.admin_url)).await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn a_full_disk_of_postgres_is_named_and_commands_go_on_when_there_is_room() {
    let world = World::start().await;
    let pool = PgPool::connect(world.database.url()).await.unwrap();
    let order = json!({"customer": "018f4e7a-0000-7000-8000-000000000001", "ordered_on": "1997-01-12", "units": 5,
                       "total": {"amount_minor": 7700, "currency": "USD"}});
    sqlx::raw_sql(FULL).execute(&pool).await.unwrap();
    let refused = world.app.post("/v1/orders/import", "full", &order).await;
    assert_eq!((refused.status, refused.body["code"].as_str()), (503, Some("store-unavailable")), "{}", refused.body);
    assert!(!refused.header("retry-after").is_empty());
    let said = readiness(&world.app).await;
    assert!(said.contains("[-]appender-orders failed: the disk of Postgres is full"), "{said}");
    assert!(said.contains("No space left on device") && said.contains("make room"), "{said}");
    sqlx::raw_sql("drop trigger full_disk on es_orders.events").execute(&pool).await.unwrap();
    until("commands go on", ETA_MAX, async || world.app.post("/v1/orders/import", "full", &order).await.status == 201)
        .await;
    until("readiness says so", ETA_MAX, async || readiness(&world.app).await.contains("[+]appender-orders ok\n")).await;
    world.app.stop().await;
}

#[tokio::test]
async fn keys_that_are_away_stop_what_needs_them_and_nothing_else() {
    let (database, keys, broker) = (database().await, database().await, broker().await);
    let url = Secret::new(database.url());
    let stores = Context::ALL.map(|context| (context, url.clone())).into();
    let urls = Urls { stores, keys: Secret::new(keys.url()), views: url };
    let app = TestApp::start_on(urls, &broker, &Role::ALL).await;
    let admin = PgPool::connect(database.url()).await.unwrap();
    let close = format!(r#"alter database "{}" with allow_connections false"#, keys.name());
    sqlx::raw_sql(&close).execute(&admin).await.unwrap();
    let cut = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1";
    sqlx::query(cut).bind(keys.name()).execute(&admin).await.unwrap();

    until("readiness names them", ETA_MAX, async || readiness(&app).await.contains("[-]postgres-keys failed: ")).await;
    let ana = json!({"name": "Ana", "email": "ana@example.org"});
    let refused = app.post("/v1/accounts", "ana", &ana).await;
    assert_eq!((refused.status, refused.body["code"].as_str()), (503, Some("store-unavailable")), "{}", refused.body);
    assert!(refused.body["detail"].as_str().unwrap().contains("keys of personal data"), "{}", refused.body);
    let order = json!({"customer": "018f4e7a-0000-7000-8000-000000000001", "ordered_on": "1997-01-12", "units": 5,
                       "total": {"amount_minor": 7700, "currency": "USD"}});
    assert_eq!(app.post("/v1/orders/import", "order", &order).await.status, 201);

    let open = format!(r#"alter database "{}" with allow_connections true"#, keys.name());
    sqlx::raw_sql(&open).execute(&admin).await.unwrap();
    until("accounts are registered again", ETA_MAX, async || app.post("/v1/accounts", "ana", &ana).await.status == 201)
        .await;
    app.stop().await;
}
