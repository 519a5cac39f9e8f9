//! Connections to Postgres over a network that fails without saying so.

use platform::postgres::{PoolSettings, is_unavailable, pool, watch, why_unavailable};
use platform::readiness::Readiness;
use platform::settings::Secret;
use platform::shutdown::Shutdown;
use tests::{ETA_MAX, Proxy, until};

#[tokio::test]
async fn a_network_that_swallows_everything_shows_in_readiness_until_it_is_mended() {
    let database = tests::empty_database().await;
    let proxy = Proxy::before(database.url()).await;
    // One connection: it must not be waited for after it was lost.
    let settings = PoolSettings::new("watched").connections_max(1);
    let watched = pool(&Secret::new(proxy.url()), &settings).await.unwrap();
    let (readiness, shutdown) = (Readiness::new(), Shutdown::new());
    readiness.started();
    let watching = tokio::spawn(watch(watched, readiness.check("postgres"), shutdown.clone()));
    until("it is ready", ETA_MAX, async || readiness.is_ready()).await;
    proxy.swallow();
    until("it is not ready", ETA_MAX, async || !readiness.is_ready()).await;
    proxy.mend();
    until("it is ready again", ETA_MAX, async || readiness.is_ready()).await;
    shutdown.begin();
    watching.await.unwrap();
}

#[tokio::test]
async fn what_makes_a_server_unavailable_is_called_what_it_is() {
    let database = tests::empty_database().await;
    let pool = sqlx::PgPool::connect(database.url()).await.unwrap();
    for (code, said) in [
        ("53100", "the disk of Postgres is full"),
        ("53200", "Postgres has no memory left"),
        ("53300", "Postgres has no connection left"),
        ("57P03", "Postgres starts or stops"),
        ("25006", "Postgres takes no writes, as a standby does"),
        ("08006", "Postgres cannot be reached"),
    ] {
        let raise = format!("do $$ begin raise exception 'swordfish' using errcode = '{code}'; end $$");
        let error = sqlx::raw_sql(&raise).execute(&pool).await.unwrap_err();
        assert!(is_unavailable(&error), "{code}");
        let why = why_unavailable(&error);
        assert!(why.starts_with(said) && why.contains("swordfish") && why.contains("; "), "{why}");
    }
}

#[tokio::test]
async fn a_server_without_a_connection_left_is_not_called_away() {
    let (database, role) = (tests::empty_database().await, format!("limited_{}", uuid::Uuid::new_v4().simple()));
    let admin = sqlx::PgPool::connect(database.url()).await.unwrap();
    sqlx::raw_sql(&format!("create role {role} login password 'swordfish'")).execute(&admin).await.unwrap();
    let mut url = reqwest::Url::parse(database.url()).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("swordfish")).unwrap();
    let settings = PoolSettings::new("limited").connections_max(1);
    let watched = pool(&Secret::new(url.as_str()), &settings).await.unwrap();
    let (readiness, shutdown) = (Readiness::new(), Shutdown::new());
    readiness.started();
    let watching = tokio::spawn(watch(watched.clone(), readiness.check("postgres"), shutdown.clone()));
    until("it is ready", ETA_MAX, async || readiness.is_ready()).await;
    let end = format!(
        "alter role {role} connection limit 0;
         select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'"
    );
    sqlx::raw_sql(&end).execute(&admin).await.unwrap();
    until("it says why", ETA_MAX, async || readiness.report().contains("Postgres has no connection left")).await;
    shutdown.begin();
    watching.await.unwrap();
    watched.close().await;
    sqlx::raw_sql(&format!("drop role {role}")).execute(&admin).await.unwrap();
}
