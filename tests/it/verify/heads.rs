//! Signed heads of the real program: what the chain alone cannot show, and what signing does when something is away.

use std::path::PathBuf;
use std::time::Duration;

use handsel::roles::Role;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tests::{Program, Service, TestApp, TestBroker, TestDatabase, database, embedded_broker, empty_database, until};

use crate::EXE;
use crate::api::world::ACCOUNT;

const WAIT_MAX: Duration = Duration::from_secs(60);
/// Often enough that every test sees several.
const INTERVAL: [&str; 2] = ["--heads-interval-ms", "50"];

/// A program that signs often, on a database and, if there is one, a broker of the test's.
fn program(database: &TestDatabase, broker: Option<&TestBroker>) -> Program {
    let mut env = vec![("DATABASE_URL", database.url())];
    if let Some(broker) = broker {
        env.extend([("KAFKA_BROKERS", broker.brokers()), ("HANDSEL_TOPIC_PREFIX", broker.prefix())]);
    }
    Program::new(EXE, &INTERVAL, &env)
}

fn order(units: i32) -> serde_json::Value {
    json!({"customer": ACCOUNT, "ordered_on": "1997-01-12", "units": units,
           "total": {"amount_minor": 7700, "currency": "USD"}})
}

async fn import_order(url: &str, units: i32) -> reqwest::Response {
    let key = format!("\"{}\"", uuid::Uuid::new_v4());
    let request = reqwest::Client::new().post(format!("{url}/v1/orders/import")).header("idempotency-key", key);
    request.json(&order(units + 1)).send().await.unwrap()
}

async fn import_orders(program: &Program, units: std::ops::Range<i32>) {
    for units in units {
        let answer = import_order(&program.running().url, units).await;
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }
}

fn book(program: &Program) -> PathBuf {
    program.folder().join("heads").join("orders.jsonl")
}

/// The newest position that the file says was signed.
fn signed(program: &Program) -> i64 {
    let text = std::fs::read_to_string(book(program)).unwrap_or_default();
    let read = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["position"].as_i64().unwrap();
    text.lines().last().map_or(0, read)
}

async fn until_signed(program: &Program, position: i64) {
    until(&format!("the head at {position} is signed"), WAIT_MAX, async || signed(program) == position).await;
}

async fn cut_after(database: &TestDatabase, position: i64) {
    let mut operator = PgConnection::connect(database.url()).await.unwrap();
    let cut =
        format!("set session_replication_role = replica; delete from es_orders.events where position > {position}");
    sqlx::raw_sql(&cut).execute(&mut operator).await.unwrap();
    operator.close().await.unwrap();
}

/// The newest position that the topic has a head of.
async fn published(broker: &TestBroker) -> Option<i64> {
    let (kafka, topic) = (broker.client_config(), format!("{}.operations.heads.v1", broker.prefix()));
    let read = event_store::heads::topic::read(&kafka, &topic, "orders").await.unwrap();
    read.heads.last().map(|head| head.statement.position.get())
}

async fn counted(program: &Program, reason: &str) -> bool {
    counted_at(&program.running().admin_url, reason).await
}

async fn counted_at(admin_url: &str, reason: &str) -> bool {
    let text = reqwest::get(format!("{admin_url}/metrics")).await.unwrap().text().await.unwrap();
    let series = format!("handsel_heads_failures_total{{context=\"orders\",reason=\"{reason}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&series)).is_some_and(|count| count != "0")
}

#[tokio::test]
async fn events_that_were_cut_off_the_end_are_found_and_a_recovery_accepts_the_loss_and_keeps_it_visible() {
    let database = database().await;
    let mut program = program(&database, None);
    program.up().await;
    import_orders(&program, 0..3).await;
    until_signed(&program, 3).await;
    import_orders(&program, 3..5).await;
    assert!(program.terminate().await.success());
    assert_eq!(signed(&program), 5, "the last head is signed when the program ends");
    let said = program.call(&["verify"]).await.ok();
    assert!(said.contains("the newest of position 5 at "), "{said}");

    cut_after(&database, 4).await;
    let finished = program.call(&["verify"]).await;
    let said = finished.stdout;
    assert!(!finished.status.success(), "{said}");
    assert!(said.contains("orders: 4 events"), "what is left is a chain that holds: {said}");
    assert_eq!(said.matches("DOES NOT HOLD").count(), 1, "only the heads tell: {said}");
    assert!(said.contains("so positions 5 to 5 were lost after that time"), "{said}");
    assert!(said.contains("accept the loss with `recover`"), "{said}");

    let said = program.call(&["recover", "orders"]).await.ok();
    assert!(said.contains("it is signed that what stood after position 4 is given up"), "{said}");
    let lost = "positions 5 to 5 of the old one are lost";
    let said = program.call(&["verify"]).await.ok();
    assert!(said.contains(lost) && said.contains("the newest of position 4 at "), "{said}");
    program.up().await;
    import_orders(&program, 5..8).await;
    assert!(program.terminate().await.success());
    let said = program.call(&["verify"]).await.ok();
    assert!(said.contains(lost) && said.contains("the newest of position 7 at "), "{said}");
    // What was lost after the recovery is lost again.
    cut_after(&database, 6).await;
    let finished = program.call(&["verify"]).await;
    assert!(finished.stdout.contains("so positions 7 to 7 were lost"), "{}", finished.stdout);
}

#[tokio::test]
async fn an_older_copy_that_was_restored_takes_no_commands_and_is_found_where_it_went_on() {
    let database = database().await;
    let mut program = program(&database, None);
    program.up().await;
    import_orders(&program, 0..3).await;
    assert!(program.terminate().await.success());
    let backup = database.copy().await;
    program.up().await;
    import_orders(&program, 3..6).await;
    assert!(program.terminate().await.success());
    assert_eq!(signed(&program), 6);

    database.restore(&backup).await;
    program.begin();
    let reason = "takes no commands, because it lost events: the newest events are cut off: position 6 was signed";
    until("it says why it is not ready", WAIT_MAX, async || program.logged().contains(reason)).await;
    // It ends before what was signed: nothing vouches for it from here on, and somebody hears of it.
    until("the signer sees it", WAIT_MAX, async || counted(&program, "contradiction").await).await;
    let answer = import_order(&program.running().url, 10).await;
    assert_eq!(answer.status(), 503);
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "store-lost-events", "{problem}");
    assert!(program.terminate().await.success());
    assert!(program.logged().contains("events were cut off or replaced"), "{}", program.logged());
    let finished = program.call(&["doctor", "--format", "json"]).await;
    assert!(finished.stdout.contains("heads.events-lost"), "{}", finished.stdout);

    // Somewhere else nobody knows what was signed, and it goes on.
    let mut elsewhere = self::program(&database, None);
    std::fs::copy(program.folder().join("master.key"), elsewhere.folder().join("master.key")).unwrap();
    elsewhere.up().await;
    import_orders(&elsewhere, 10..15).await;
    assert!(elsewhere.terminate().await.success());
    assert_eq!(signed(&program), 6, "it signs nothing that contradicts what it signed");
    let finished = program.call(&["verify"]).await;
    let said = finished.stdout;
    assert!(!finished.status.success(), "{said}");
    assert!(said.contains("orders: 8 events"), "{said}");
    assert_eq!(said.matches("DOES NOT HOLD").count(), 1, "its own chain holds: {said}");
    assert!(said.contains("other events stand where position 6 was signed at "), "{said}");
    assert!(said.contains("Positions up to 3 are what was signed"), "{said}");

    // Another database altogether, of the same shape.
    database.restore(&empty_database().await).await;
    program.call(&["migrate"]).await.ok();
    let finished = program.call(&["verify"]).await;
    assert!(!finished.status.success() && finished.stdout.contains("this is another database"), "{}", finished.stdout);
}

#[tokio::test]
async fn the_topic_vouches_where_the_file_is_gone_and_a_public_key_is_enough() {
    let (database, broker) = (database().await, tests::broker().await);
    let mut program = program(&database, Some(&broker));
    program.up().await;
    import_orders(&program, 0..4).await;
    until_signed(&program, 4).await;
    assert!(program.terminate().await.success());
    let key = program.call(&["heads", "--public-key"]).await.ok();
    let key = key.trim();
    // Somebody else's machine has no file and no key, and may be given the public one.
    let auditor = self::program(&database, Some(&broker));
    let said = auditor.call(&["verify", "--heads-public-key", key]).await.ok();
    assert!(said.contains("the newest of position 4 at ") && !said.contains("taken at their word"), "{said}");
    let said = auditor.call(&["verify"]).await.ok();
    assert!(said.contains(&format!("signed by {key} are taken at their word")), "{said}");
    let other = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
    let finished = auditor.call(&["verify", "--heads-public-key", other]).await;
    assert!(finished.stdout.contains(&format!("signed by {key}, which is not trusted here")), "{}", finished.stdout);
    assert!(!finished.status.success());

    cut_after(&database, 2).await;
    let finished = auditor.call(&["verify", "--heads-public-key", key]).await;
    assert!(!finished.status.success());
    assert!(finished.stdout.contains("position 4 was signed at "), "{}", finished.stdout);
    // The trace of a recovery is in the topic too.
    program.call(&["recover", "orders"]).await.ok();
    let said = auditor.call(&["verify", "--heads-public-key", key]).await.ok();
    assert!(said.contains("positions 3 to 4 of the old one are lost"), "{said}");
}

#[tokio::test]
async fn heads_are_signed_into_the_file_while_kafka_is_away() {
    let database = database().await;
    let env = [("DATABASE_URL", database.url()), ("KAFKA_BROKERS", "127.0.0.1:1")];
    let mut program = Program::new(EXE, &INTERVAL, &env);
    program.up().await;
    import_orders(&program, 0..2).await;
    until_signed(&program, 2).await;
    import_orders(&program, 2..3).await;
    until_signed(&program, 3).await;
    until("it is counted", WAIT_MAX, async || counted(&program, "topic").await).await;
    assert!(program.logged().contains("A signed head waits to be published"), "{}", program.logged());
    assert!(program.terminate().await.success());
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_stops_neither_relay_nor_signing_into_the_topic() {
    let (database, broker) = (database().await, embedded_broker().await);
    let mut program = program(&database, Some(&broker));
    let heads = program.folder().join("heads");
    std::fs::write(&heads, "in the way").unwrap();
    program.up().await;
    import_orders(&program, 0..3).await;
    until("it is counted", WAIT_MAX, async || counted(&program, "file").await).await;
    until("the topic has it", WAIT_MAX, async || published(&broker).await == Some(3)).await;
    assert!(program.logged().contains("No head is signed or kept in its file"), "{}", program.logged());
    // The room comes back and nothing is appended: the newest head is written all the same.
    std::fs::remove_file(&heads).unwrap();
    until_signed(&program, 3).await;
    assert!(program.terminate().await.success());
}

#[tokio::test]
async fn a_relay_alone_that_can_make_no_key_relays_and_says_that_nothing_is_signed() {
    let (database, broker) = (database().await, tests::broker().await);
    let env = [
        ("DATABASE_URL", database.url()),
        ("KAFKA_BROKERS", broker.brokers()),
        ("HANDSEL_TOPIC_PREFIX", broker.prefix()),
        ("HANDSEL_DATA_DIR", "/dev/null/nowhere"),
    ];
    let program = Program::new(EXE, &[], &env);
    let relay = Service::start(&program, &["relay", "--heads-interval-ms", "50"]).await;
    assert!(
        relay.logged().contains("Heads of stores are not signed: cannot use the data folder"),
        "{}",
        relay.logged()
    );
    assert!(counted_at(&relay.admin_url, "key").await);
    assert!(relay.terminate().await.success());
    // One that was given a key signs into the topic, and says what it cannot do.
    let key = ("HANDSEL_HEADS_KEY", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=");
    let env: Vec<_> = env.into_iter().chain([key]).collect();
    let program = Program::new(EXE, &[], &env);
    let relay = Service::start(&program, &["relay", "--heads-interval-ms", "50"]).await;
    let app = TestApp::start(&database, &broker, &[Role::CommandApi]).await;
    _ = app.post("/v1/orders/import", "one", &order(1)).await.ok();
    app.stop().await;
    until("it is counted", WAIT_MAX, async || counted_at(&relay.admin_url, "file").await).await;
    until("the topic has it", WAIT_MAX, async || published(&broker).await == Some(1)).await;
    assert!(relay.terminate().await.success());
}

#[tokio::test]
async fn a_head_that_somebody_made_up_or_spoiled_is_found() {
    let database = database().await;
    let mut program = program(&database, None);
    program.up().await;
    import_orders(&program, 0..2).await;
    assert!(program.terminate().await.success());
    let text = std::fs::read_to_string(book(&program)).unwrap();
    // As somebody would who cut the store off and has no key.
    cut_after(&database, 1).await;
    std::fs::write(book(&program), text.replace("\"position\":2", "\"position\":1")).unwrap();
    let finished = program.call(&["verify"]).await;
    assert!(!finished.status.success());
    assert!(finished.stdout.contains("the signature of the head at position 1"), "{}", finished.stdout);
    std::fs::write(book(&program), "spoiled\n").unwrap();
    let finished = program.call(&["verify"]).await;
    assert!(!finished.status.success());
    assert!(finished.stdout.contains("orders.jsonl, line 1 holds no signed head"), "{}", finished.stdout);
    let finished = program.call(&["doctor", "--format", "json"]).await;
    assert!(finished.stdout.contains("heads.doubtful"), "{}", finished.stdout);
    assert!(!finished.stdout.contains("heads.events-lost"), "{}", finished.stdout);
}
