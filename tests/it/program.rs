//! The program as a process: how it starts, what it says when it cannot, and how it ends.

mod alone;
mod beside;
mod ending;
mod following;
mod hooks;
mod parked;
mod status;
mod users;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use platform::data_dir::DataDir;
use tests::{Program, database, empty_database};

pub(crate) use self::parked::poison;
use super::{EXE, journeys};

/// A program on a database of the test's server: starting a Postgres takes longer than most of these tests.
fn on(url: &str) -> Program {
    Program::new(EXE, &[], &[("DATABASE_URL", url)])
}

#[tokio::test]
async fn it_brings_its_own_postgres_and_broker_along_and_starts_again_after_a_kill() {
    let mut program = Program::new(EXE, &[], &[]);
    program.up().await;
    let events = program.get("/v1/events").await;
    assert_eq!(events["data"], serde_json::json!([]));
    program.kill().await;
    // The Postgres that was left over is stopped or adopted.
    program.up().await;
    let said = program.call(&["status"]).await.ok();
    assert!(said.contains("`handsel up` runs as process"), "{said}");
    let begun = Instant::now();
    assert!(program.terminate().await.success(), "{}", program.logged());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // Without a running `up`, a command starts the embedded Postgres for as long as it lasts.
    let said = program.call(&["verify"]).await.ok();
    assert!(said.contains("orders: 0 events"), "{said}");
}

#[tokio::test]
async fn keys_lie_in_the_data_folder_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let database = empty_database().await;
    let mut program = on(database.url());
    program.up().await;
    for name in ["admin.key", "master.key", "running.json"] {
        let mode = std::fs::metadata(program.folder().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn how_long_a_body_may_be_is_a_setting() {
    let database = empty_database().await;
    let mut program = Program::new(EXE, &["--body-bytes-max", "64"], &[("DATABASE_URL", database.url())]);
    program.up().await;
    let post = |body: String| {
        let request = reqwest::Client::new().post(format!("{}/v1/accounts", program.running().url));
        request.header("content-type", "application/json").body(body).send()
    };
    assert_eq!(post("{}".to_owned()).await.unwrap().status(), 422);
    let refused = tests::Answer::read(post(" ".repeat(65)).await.unwrap()).await;
    assert_eq!((refused.status, refused.body["code"].as_str()), (413, Some("body-too-large")));
    assert!(refused.body["detail"].as_str().unwrap().contains("64 bytes"), "{}", refused.body);
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let program = on("postgres://localhost/nowhere");
    let line = program.call(&["up", "--port", &port, "--admin-port", "0"]).await.failure();
    assert!(line.contains(&format!("127.0.0.1:{port}")) && line.contains("--port"), "{line}");
    let line = program.call(&["up", "--port", "0", "--admin-port", &port]).await.failure();
    assert!(line.contains("--admin-port"), "{line}");
    let words = ["up", "--port", "0", "--admin-port", "0", "--broker-port", &port];
    let line = program.call(&words).await.failure();
    assert!(line.contains("--broker-port"), "{line}");
}

#[tokio::test]
async fn a_data_folder_in_use_is_one_clear_line() {
    let database = empty_database().await;
    let mut program = on(database.url());
    program.up().await;
    let line = program.call(&["up", "--port", "0", "--admin-port", "0", "--broker-port", "0"]).await.failure();
    assert!(line.contains("in use by process") && line.contains("--data-dir"), "{line}");
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_one_is_one_clear_line() {
    let program = on("postgres://localhost/nowhere");
    let file = program.folder().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("data").display().to_string();
    let words = ["up", "--port", "0", "--admin-port", "0", "--broker-port", "0", "--data-dir", &below];
    let line = program.call(&words).await.failure();
    assert!(line.contains("cannot use the data folder") && line.contains("--data-dir"), "{line}");
}

#[tokio::test]
async fn a_database_that_is_away_is_one_clear_line() {
    let program = on("postgres://somebody:swordfish@127.0.0.1:1/nowhere");
    for command in
        [vec!["up", "--port", "0", "--admin-port", "0", "--broker-port", "0"], vec!["verify"], vec!["migrate"]]
    {
        let line = program.call(&command).await.failure();
        assert!(line.contains("127.0.0.1:1") || line.contains("cannot be reached"), "{line}");
        assert!(!line.contains("swordfish"), "{line}");
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_one_clear_line() {
    let database = database().await;
    let pool = sqlx::PgPool::connect(database.url()).await.unwrap();
    sqlx::query(
        "insert into es_orders._sqlx_migrations (version, description, success, checksum, execution_time)
         values (99990101000000, 'of tomorrow', true, '', 0)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let program = on(database.url());
    let line = program.call(&["up", "--port", "0", "--admin-port", "0", "--broker-port", "0"]).await.failure();
    assert!(line.contains("newer version"), "{line}");
}

#[tokio::test]
async fn without_network_the_first_start_says_what_to_do() {
    let cache = tempfile::tempdir().unwrap();
    let nowhere = "http://127.0.0.1:1";
    let env = [("HTTPS_PROXY", nowhere), ("HTTP_PROXY", nowhere), ("ALL_PROXY", nowhere), ("https_proxy", nowhere)];
    let program = Program::new(EXE, &[], &env);
    let cache = cache.path().display().to_string();
    let words = ["up", "--port", "0", "--admin-port", "0", "--broker-port", "0", "--cache-dir", &cache];
    let line = program.call(&words).await.failure();
    assert!(line.contains("HANDSEL_POSTGRES_BIN") || line.contains("DATABASE_URL"), "{line}");
}

#[tokio::test]
async fn who_listens_beyond_this_machine_is_told_what_that_means() {
    let (at_home, exposed) = tokio::join!(empty_database(), empty_database());
    let warning = "Handsel-Caller";
    let env = [("DATABASE_URL", exposed.url())];
    let (mut at_home, mut exposed) = (on(at_home.url()), Program::new(EXE, &["--host", "0.0.0.0"], &env));
    at_home.up().await;
    assert!(!at_home.logged().contains(warning), "{}", at_home.logged());
    assert!(at_home.terminate().await.success());
    exposed.up().await;
    assert!(exposed.logged().contains(warning), "{}", exposed.logged());
}

#[tokio::test]
async fn an_import_proves_who_asks_by_the_key_in_the_data_folder() {
    let proofs = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = proofs.clone();
    let note = move |headers: HeaderMap| {
        let proof = headers.get("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned);
        seen.lock().unwrap().insert(proof);
        std::future::ready(StatusCode::CREATED)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(note)).await });
    let program = Program::new(EXE, &[], &[("HANDSEL_URL", &url)]);
    let import = ["import", "cdnow", &journeys::shop::cut()];
    program.call(&import).await.ok();
    assert_eq!(std::mem::take(&mut *proofs.lock().unwrap()), BTreeSet::from([None]), "nothing ever ran there");
    let key = DataDir::open(program.folder()).unwrap().admin_key().unwrap();
    program.call(&import).await.ok();
    let bearer = format!("Bearer {}", key.expose());
    assert_eq!(*proofs.lock().unwrap(), BTreeSet::from([Some(bearer)]));
}

#[tokio::test]
async fn config_shows_where_settings_come_from_and_masks_secrets() {
    let env = [
        ("DATABASE_URL", "postgres://ana:swordfish@db/handsel"),
        ("HANDSEL_ORDERS_DATABASE_URL", "postgres://x:swordfish@y"),
    ];
    let program = Program::new(EXE, &[], &env);
    let said = program.call(&["config", "--port", "9000"]).await.ok();
    let line = |name: &str| said.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap_or_default();
    assert!(line("--port").contains("9000") && line("--port").contains("flag"), "{said}");
    assert!(line("--database-url").contains("***") && line("--database-url").contains("environment"), "{said}");
    assert!(line("--admin-port").contains("8421") && line("--admin-port").contains("default"), "{said}");
    assert!(!said.contains("swordfish"), "{said}");
}

#[tokio::test]
async fn help_is_the_manual() {
    let program = Program::new(EXE, &[], &[]);
    let said = program.call(&["--help"]).await.ok();
    for word in [
        "up",
        "command-api",
        "query-api",
        "relay",
        "projector",
        "migrate",
        "status",
        "doctor",
        "import",
        "rebuild",
        "recover",
        "replay",
        "verify",
        "parked",
        "config",
        "HANDSEL_DATA_DIR",
        "DATABASE_URL",
        "KAFKA_BROKERS",
    ] {
        assert!(said.contains(word), "{word} is missing in\n{said}");
    }
}

#[tokio::test]
async fn nothing_to_work_on_is_one_clear_line() {
    let program = Program::new(EXE, &[], &[]);
    let nowhere = program.folder().join("nowhere").display().to_string();
    let line = program.call(&["verify", "--data-dir", &nowhere]).await.failure();
    assert!(line.contains("handsel up"), "{line}");
    let line = program.call(&["import", "cdnow", &nowhere]).await.failure();
    assert!(line.contains("cannot read"), "{line}");
}
