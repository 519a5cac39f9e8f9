//! How it ends: what is under way is finished, and nothing keeps it longer than ten seconds.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tests::{Answer, ETA_MAX, Program, TestDatabase, database, empty_database, until};

use super::on;

const END_MAX: Duration = Duration::from_secs(10);

/// A connection that holds a table in its transaction.
async fn holding(database: &TestDatabase, table: &str, mode: &str) -> PgConnection {
    let mut holder = PgConnection::connect(database.url()).await.unwrap();
    holder.execute(format!("begin; lock table {table} in {mode} mode").as_str()).await.unwrap();
    holder
}

async fn somebody_waits(holder: &mut PgConnection) -> bool {
    let waiting = "select exists (select from pg_locks as held join pg_locks as wanted using (database, relation)
                    where held.pid = pg_backend_pid() and held.granted and not wanted.granted)";
    sqlx::query_scalar(waiting).fetch_one(holder).await.unwrap()
}

async fn until_somebody_waits(holder: &mut PgConnection) {
    let holder = tokio::sync::Mutex::new(holder);
    until("somebody waits for the lock", ETA_MAX, || async { somebody_waits(*holder.lock().await).await }).await;
}

/// A request that the program cannot answer while the events are held.
fn register(program: &Program) -> impl Future<Output = reqwest::Result<reqwest::Response>> + Send + 'static {
    reqwest::Client::new()
        .post(format!("{}/v1/accounts", program.running().url))
        .header("idempotency-key", "\"the-last-one\"")
        .header("handsel-caller", "tester")
        .json(&json!({"name": "Ana", "email": "ana@example.org"}))
        .send()
}

#[tokio::test]
async fn sigterm_drains_and_ends_with_success_within_ten_seconds() {
    let database = empty_database().await;
    let mut program = on(database.url());
    program.up().await;
    let running = program.running();
    let begun = Instant::now();
    assert!(program.terminate().await.success(), "{}", program.logged());
    assert!(begun.elapsed() < END_MAX, "{:?}", begun.elapsed());
    assert!(reqwest::get(running.url).await.is_err(), "nobody answers any more");
    assert!(!program.folder().join("running.json").exists());
}

#[tokio::test]
async fn a_request_that_is_under_way_at_sigterm_is_answered() {
    let database = database().await;
    let mut program = on(database.url());
    program.up().await;
    let mut holder = holding(&database, "es_identity.events", "exclusive").await;
    let asked = tokio::spawn(register(&program));
    until_somebody_waits(&mut holder).await;
    program.ask_to_end().await;
    let ready = format!("{}/readyz", program.running().admin_url);
    until("it asks for no more work", ETA_MAX, || async {
        let said = reqwest::get(&ready).await.unwrap();
        said.status() == 503 && said.text().await.unwrap().contains("[-]not-draining")
    })
    .await;
    holder.execute("commit").await.unwrap();
    let answer = Answer::read(asked.await.unwrap().expect("the connection is not cut")).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert!(program.ended().await.success(), "{}", program.logged());
    let events: i64 =
        sqlx::query_scalar("select count(*) from es_identity.events").fetch_one(&mut holder).await.unwrap();
    assert_eq!(events, 1, "what was answered is there");
}

#[tokio::test]
async fn a_request_that_cannot_be_answered_does_not_keep_it() {
    let database = database().await;
    let mut program = on(database.url());
    program.up().await;
    let mut holder = holding(&database, "es_identity.events", "exclusive").await;
    let asked = tokio::spawn(register(&program));
    until_somebody_waits(&mut holder).await;
    let begun = Instant::now();
    assert!(program.terminate().await.success(), "{}", program.logged());
    assert!(begun.elapsed() < END_MAX, "{:?}", begun.elapsed());
    let answered = asked.await.unwrap();
    assert!(answered.is_err() || answered.is_ok_and(|answer| !answer.status().is_success()), "nothing was promised");
}

#[tokio::test]
async fn a_signal_while_schemas_are_made_ends_it_at_once() {
    let database = database().await;
    let mut program = on(database.url());
    let mut holder = holding(&database, "es_orders._sqlx_migrations", "access exclusive").await;
    program.begin();
    until_somebody_waits(&mut holder).await;
    let begun = Instant::now();
    assert!(program.terminate().await.success(), "{}", program.logged());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_signal_while_a_role_opens_its_databases_ends_it_at_once() {
    let database = database().await;
    let mut program = on(database.url());
    let mut holder = holding(&database, "read._sqlx_migrations", "access exclusive").await;
    program.begin_role(&["query-api", "--port", "0", "--admin-port", "0"]);
    until_somebody_waits(&mut holder).await;
    let begun = Instant::now();
    assert!(program.terminate().await.success(), "{}", program.logged());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
