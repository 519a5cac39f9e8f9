//! The program is killed in the middle of an import: nothing that it answered is lost, and nothing is there twice.

use tests::{ETA_MAX, Program, broker, empty_database, until};

use super::{CUT, EXE, shop};

/// How many purchases the importer had answered when it gave up: `… 57 of 243 purchases were answered: …`; all if it
/// had finished before.
fn answered(importer: &std::process::Output) -> i64 {
    let said = String::from_utf8_lossy(&importer.stderr);
    let counted = said.lines().find_map(|line| line.split_once(" of 243 purchases were answered"));
    match counted.and_then(|(before, _)| before.split_whitespace().last()) {
        Some(count) => count.parse().unwrap(),
        None => {
            assert!(importer.status.success(), "{said}");
            CUT.orders
        }
    }
}

async fn kill_in_the_middle(mut program: Program) {
    program.up().await;
    let importing = ["import", "cdnow", &shop::cut(), "--concurrency", "4", "--give-up-after", "1"];
    let first = program.command(&importing).kill_on_drop(true).output();
    let first = tokio::spawn(first);
    let url = program.running().url;
    until("some of it is imported", ETA_MAX, || async { shop::orders_so_far(&url).await >= 20 }).await;
    program.kill().await;
    // It gave up, or it had finished a moment before; either is fine.
    let answered = answered(&first.await.unwrap().unwrap());
    assert!(answered >= 20, "{answered} purchases were answered");
    program.up().await;
    let said = program.call(&["status"]).await.ok();
    let row = said.lines().find(|line| line.starts_with("orders ")).unwrap_or_default();
    let stored: i64 = row.split_whitespace().nth(1).unwrap_or_default().parse().unwrap();
    assert!(stored >= answered, "{answered} purchases were answered and {stored} are there");
    let said = program.call(&["import", "cdnow", &shop::cut()]).await.ok();
    assert!(said.contains("0 refused, 0 bad lines skipped"), "{said}");
    CUT.is_read_from(&program.running().url).await;
    let said = program.call(&["verify"]).await.ok();
    assert!(said.contains("orders: 243 events") && !said.contains("DOES NOT HOLD"), "{said}");
    for name in ["sales_summary", "sales_by_day", "orders", "customer_orders", "accounts", "audit_log"] {
        let said = program.call(&["rebuild", name]).await.ok();
        assert!(said.contains(" 0 differ"), "{said}");
    }
    CUT.is_read_from(&program.running().url).await;
    assert!(program.terminate().await.success());
}

#[tokio::test]
async fn a_kill_in_the_middle_of_an_import_loses_and_doubles_nothing() {
    let database = empty_database().await;
    kill_in_the_middle(Program::new(EXE, &["--full-topics"], &[("DATABASE_URL", database.url())])).await;
}

#[tokio::test]
async fn a_kill_beside_a_broker_that_lives_on_loses_and_doubles_nothing() {
    let (database, broker) = (empty_database().await, broker().await);
    let env = [
        ("DATABASE_URL", database.url()),
        ("KAFKA_BROKERS", broker.brokers()),
        ("HANDSEL_TOPIC_PREFIX", broker.prefix()),
    ];
    kill_in_the_middle(Program::new(EXE, &[], &env)).await;
}
