//! Causes that lie with Postgres: it is away, too old, careless, or held back by others.

use sqlx::{Connection as _, Executor as _};
use tests::{Program, Proxy, database, empty_database};

use super::{EXE, ask, ask_of, plant, session};

/// What it says where DATABASE_URL is this.
async fn ask_at(url: &str) -> super::Said {
    ask(&Program::new(EXE, &[], &[("DATABASE_URL", url)]), &[]).await
}

#[tokio::test]
async fn a_postgres_that_is_away_is_named_and_what_needs_it_is_not_looked_at() {
    let said = ask_at("postgres://somebody:swordfish@127.0.0.1:1/nowhere").await;
    assert!(said.names("postgres.unreachable").contains("127.0.0.1:1/nowhere"));
    for check in ["schemas", "keys", "lost", "chain", "clock", "ledger", "relay", "read_models"] {
        assert!(said.not_looked_at(check), "{check}");
    }
    assert!(!said.seen.to_string().contains("swordfish"), "{}", said.seen);
}

#[tokio::test]
async fn a_postgres_that_swallows_what_is_sent_does_not_hang_it() {
    let database = database().await;
    let proxy = Proxy::before(database.url()).await;
    proxy.swallow();
    ask_at(proxy.url()).await.names("postgres.unreachable");
}

#[tokio::test]
async fn a_wrong_password_and_a_database_that_is_not_there_are_named() {
    let database = empty_database().await;
    let mut url = reqwest::Url::parse(database.url()).unwrap();
    url.set_path("/no_such_database");
    assert!(ask_at(url.as_str()).await.names("postgres.no-database").contains("no_such_database"));
    url.set_path(database.name());
    url.set_password(Some("swordfish")).unwrap();
    ask_at(url.as_str()).await.names("postgres.wrong-password");
}

#[tokio::test]
async fn a_database_that_is_closed_or_starts_and_a_url_that_is_none_are_named() {
    let database = empty_database().await;
    let mut url = reqwest::Url::parse(database.url()).unwrap();
    url.set_password(Some("swordfish")).unwrap();
    let proxy = Proxy::before(url.as_str()).await;
    proxy.falsify(b"28P01", b"57P03");
    ask_at(proxy.url()).await.names("postgres.not-yet-ready");
    let elsewhere = empty_database().await;
    plant(&elsewhere, &format!("alter database {} with allow_connections false", database.name())).await;
    ask_at(database.url()).await.names("postgres.closed");
    ask_at("swordfish").await.names("postgres.bad-url");
}

#[tokio::test]
async fn a_role_that_gets_no_connection_is_named_and_one_that_sees_too_little_says_so() {
    let (database, role) = (database().await, format!("little_{}", uuid::Uuid::new_v4().simple()));
    plant(&database, &format!("create role {role} login password 'swordfish'")).await;
    let mut url = reqwest::Url::parse(database.url()).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("swordfish")).unwrap();
    let said = ask_at(url.as_str()).await;
    assert!(said.not_looked_at("sessions"), "{:#}", said.seen);
    plant(&database, &format!("alter role {role} connection limit 0")).await;
    ask_at(url.as_str()).await.names("postgres.no-connections-left");
    plant(&database, &format!("drop role {role}")).await;
}

#[tokio::test]
async fn a_postgres_that_is_too_old_is_named_with_its_version() {
    let database = database().await;
    let (mut connection, old) = (session(&database, "test").await, b"160009");
    let number: String = sqlx::query_scalar("show server_version_num").fetch_one(&mut connection).await.unwrap();
    let proxy = Proxy::before(database.url()).await;
    proxy.falsify(number.as_bytes(), old);
    assert!(ask_at(proxy.url()).await.names("postgres.too-old").contains("version is 16"));
}

#[tokio::test]
async fn settings_that_lose_what_was_acknowledged_are_named() {
    // The server of the tests runs so, because nothing there must survive the machine.
    let database = database().await;
    let said = ask_of(&database, &[]).await;
    for (code, setting) in [
        ("postgres.fsync-off", "fsync"),
        ("postgres.full-page-writes-off", "full_page_writes"),
        ("postgres.synchronous-commit-off", "synchronous_commit"),
    ] {
        assert!(said.names(code).contains(setting));
    }
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_named() {
    let database = database().await;
    plant(&database, &format!("alter database {} set default_transaction_read_only = on", database.name())).await;
    ask_of(&database, &[]).await.names("postgres.read-only");
}

#[tokio::test]
async fn a_standby_is_named() {
    let database = database().await;
    shadow(&database, "create function shadow.pg_is_in_recovery() returns boolean language sql as 'select true'").await;
    ask_of(&database, &[]).await.names("postgres.standby");
}

#[tokio::test]
async fn a_clock_that_differs_from_that_of_postgres_is_named() {
    let database = database().await;
    let hour = "create function shadow.clock_timestamp() returns timestamptz language sql
                as $$ select pg_catalog.now() + interval '1 hour' $$";
    shadow(&database, hour).await;
    let said = ask_of(&database, &[]).await;
    assert!(said.names("clock.skew").contains("ahead of this machine's"));
}

/// What a function of Postgres answers in this database is made up.
async fn shadow(database: &tests::TestDatabase, function: &str) {
    let path = format!("alter database {} set search_path = shadow, pg_catalog, public", database.name());
    plant(database, &format!("create schema shadow; {function}; {path}")).await;
}

#[tokio::test]
async fn few_connections_left_are_named() {
    let database = database().await;
    let said = ask_of(&database, &["--connections-free-min", "100000"]).await;
    assert!(said.names("postgres.few-connections-left").contains("fewer than 100000"));
}

#[tokio::test]
async fn a_transaction_that_is_left_open_and_who_holds_the_lock_of_the_appender_are_named() {
    let database = database().await;
    let mut idle = session(&database, "forgotten").await;
    let mut open = idle.begin().await.unwrap();
    let key = "('x' || encode(substr(sha256('append to es_orders'), 1, 8), 'hex'))::bit(64)::bigint";
    open.execute("set transaction isolation level repeatable read").await.unwrap();
    open.execute(format!("select pg_advisory_xact_lock({key})").as_str()).await.unwrap();
    let said = ask_of(&database, &["--transaction-max-s", "0"]).await;
    let idle = said.names("sessions.idle-in-transaction");
    assert!(idle.contains("`forgotten`") && idle.contains("holds a snapshot"), "{idle}");
    let lock = said.names("sessions.append-lock-held");
    assert!(lock.contains("`forgotten`") && lock.contains("`orders`"), "{lock}");
    open.rollback().await.unwrap();
    assert!(!ask_of(&database, &["--transaction-max-s", "0"]).await.codes().contains(&"sessions.append-lock-held"));
}

#[tokio::test]
async fn schemas_that_are_missing_or_newer_are_named() {
    let empty = empty_database().await;
    let said = ask_of(&empty, &[]).await;
    assert!(said.names("schemas.not-migrated").contains("migrate"));
    assert!(said.not_looked_at("chain"));

    let newer = database().await;
    let version = "(version, description, success, checksum, execution_time) values (999, 'later', true, '', 0)";
    for schema in ["es_orders", "keys", "read"] {
        plant(&newer, &format!("insert into {schema}._sqlx_migrations {version}")).await;
    }
    let said = ask_of(&newer, &[]).await;
    assert_eq!(said.codes().iter().filter(|code| **code == "schemas.newer").count(), 3, "{:#}", said.seen);
}
