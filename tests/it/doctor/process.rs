//! Causes that a running `up` knows of itself, or no longer tells.

use tests::{ETA_MAX, Program, database, until};
use tokio::process::Command;

use super::{EXE, ask, plant};

#[tokio::test]
async fn a_process_that_is_frozen_is_named_and_what_it_said_before_too() {
    let database = database().await;
    let mut program = Program::new(EXE, &[], &[("DATABASE_URL", database.url())]);
    program.up().await;
    assert!(!ask(&program, &[]).await.seen.to_string().contains("process."), "nothing is wrong with it");

    plant(&database, &crate::program::poison()).await;
    until("it has parked the event", ETA_MAX, async || {
        let said = ask(&program, &[]).await;
        said.codes().contains(&"process.remark") && said.names("process.remark").contains("are parked in `orders`")
    })
    .await;

    signal("-STOP", program.pid()).await;
    let said = ask(&program, &[]).await;
    assert!(said.names("process.does-not-answer").contains(&format!("process {}", program.pid())));
    signal("-CONT", program.pid()).await;

    let lost = "alter table es_orders.events disable trigger all; delete from es_orders.events";
    plant(&database, lost).await;
    until("it says that it lost events", ETA_MAX, async || {
        let said = ask(&program, &[]).await;
        said.codes().contains(&"process.not-ready") && said.codes().contains(&"lost.events")
    })
    .await;
}

async fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().await.unwrap().success());
}
