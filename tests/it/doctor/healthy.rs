//! Where nothing is wrong, nothing is named: an instance that runs, and the same at rest. Then it is damaged.

use tests::Program;

use super::{EXE, FREE_PORTS, ask};

#[tokio::test]
async fn nothing_is_named_of_an_instance_that_is_well_running_or_stopped_until_it_is_damaged() {
    let mut program = Program::new(EXE, &[], &[]);
    program.up().await;
    order(&program).await;
    let running = ask(&program, &[]).await;
    assert_eq!(running.codes(), Vec::<&str>::new(), "{:#}", running.seen);
    assert_eq!(running.seen["not_looked_at"], serde_json::json!([]));
    assert!(running.status);

    assert!(program.terminate().await.success());
    let stopped = ask(&program, &[]).await;
    assert_eq!(stopped.codes(), Vec::<&str>::new(), "{:#}", stopped.seen);
    assert!(stopped.status && stopped.not_looked_at("broker"));
    let said = program.call(&[&["doctor"], &FREE_PORTS[..]].concat()).await.ok();
    assert!(said.contains("all is well: 19 checks found nothing"), "{said}");

    let (key, hidden) = (program.folder().join("master.key"), program.folder().join("hidden"));
    std::fs::rename(&key, &hidden).unwrap();
    assert!(ask(&program, &[]).await.names("keys.no-master").contains("holds no master.key"));
    assert!(!key.exists(), "no other one was made");
    std::fs::rename(&hidden, &key).unwrap();

    std::fs::remove_file(program.folder().join("postgres/data/global/pg_control")).unwrap();
    let damaged = ask(&program, &[]).await;
    assert!(damaged.names("postgres.does-not-start").contains("pg_control"), "{:#}", damaged.seen);
    assert!(damaged.not_looked_at("chain"));
}

async fn order(program: &Program) {
    let order = serde_json::json!({
        "customer": "018f4e7a-0000-7000-8000-000000000001", "ordered_on": "1997-01-12", "units": 5,
        "total": {"amount_minor": 7700, "currency": "USD"}
    });
    let asked = reqwest::Client::new()
        .post(format!("{}/v1/orders/import", program.running().url))
        .header("idempotency-key", "\"well\"")
        .header("handsel-caller", "tester")
        .json(&order);
    let answer = asked.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}
