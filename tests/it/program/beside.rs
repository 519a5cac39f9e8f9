//! A command from another shell works on what the running `up` works on, whatever that was told.

use event_schemas::Context;
use serde_json::json;
use tests::{ETA_MAX, Program, broker, empty_database, until};
use tokio::process::Command;

use super::EXE;

#[tokio::test]
async fn a_command_from_another_shell_finds_the_databases_and_topics_of_the_running_one() {
    let (all, identity, orders, keys) =
        tokio::join!(empty_database(), empty_database(), empty_database(), empty_database());
    let (views, broker) = (empty_database().await, broker().await);
    let prefix = format!("{}-beside", broker.prefix());
    let env = [
        ("DATABASE_URL", all.url()),
        ("HANDSEL_IDENTITY_DATABASE_URL", identity.url()),
        ("HANDSEL_ORDERS_DATABASE_URL", orders.url()),
        ("HANDSEL_KEYS_DATABASE_URL", keys.url()),
        ("HANDSEL_VIEWS_DATABASE_URL", views.url()),
        ("KAFKA_BROKERS", broker.brokers()),
        ("HANDSEL_TOPIC_PREFIX", &prefix),
    ];
    let mut program = Program::new(EXE, &[], &env);
    program.up().await;
    let order = json!({"customer": "018f4e7a-0000-7000-8000-000000000001", "ordered_on": "1997-01-12", "units": 5,
                       "total": {"amount_minor": 7700, "currency": "USD"}});
    let asked = reqwest::Client::new()
        .post(format!("{}/v1/orders/import", program.running().url))
        .header("idempotency-key", "\"beside\"")
        .header("handsel-caller", "tester")
        .json(&order);
    assert_eq!(asked.send().await.unwrap().status(), 201);
    until("it is shown", ETA_MAX, || async { program.get("/v1/sales/summary").await["orders"] == json!(1) }).await;
    let pool = sqlx::PgPool::connect(orders.url()).await.unwrap();
    until("it is published", ETA_MAX, || async {
        let published: Option<i64> =
            sqlx::query_scalar("select checkpoint from es_orders.relay").fetch_optional(&pool).await.unwrap();
        published == Some(1)
    })
    .await;

    let elsewhere = async |words: &[&str]| {
        let mut command: Command = program.command(words);
        env.iter().for_each(|(name, _)| {
            command.env_remove(name);
        });
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = elsewhere(&["status"]).await;
    let row = said.lines().find(|line| line.starts_with("orders ")).unwrap_or_default();
    assert_eq!(row.split_whitespace().nth(1), Some("1"), "{said}");
    let said = elsewhere(&["verify"]).await;
    let topic = Context::Orders.topic().replacen("handsel", &prefix, 1);
    assert!(said.contains(&format!("{topic} has 1 records")), "{said}");
    let said = elsewhere(&["rebuild", "sales_summary"]).await;
    assert!(said.contains("1 events") && said.contains(" 0 differ"), "{said}");
    assert!(program.terminate().await.success(), "{}", program.logged());
}
