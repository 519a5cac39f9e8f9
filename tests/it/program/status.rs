//! `handsel status` where a part is away: it shows the rest, and says which.

use tests::{Program, database};

use super::EXE;

const NOWHERE: &str = "postgres://somebody:swordfish@127.0.0.1:1/nowhere";

fn row<'a>(said: &'a str, name: &str) -> Vec<&'a str> {
    let row = said.lines().find(|line| line.split_whitespace().next() == Some(name));
    row.unwrap_or_else(|| panic!("{name} is missing in\n{said}")).split_whitespace().collect()
}

#[tokio::test]
async fn a_store_that_is_away_is_named_and_the_others_are_shown() {
    let database = database().await;
    let env = [("DATABASE_URL", database.url()), ("HANDSEL_ORDERS_DATABASE_URL", NOWHERE)];
    let finished = Program::new(EXE, &[], &env).call(&["status"]).await;
    let said = finished.stdout;
    assert_eq!(finished.status.code(), Some(1), "{said}");
    assert_eq!(row(&said, "orders")[..4], ["orders", "-", "-", "-"]);
    assert_eq!(row(&said, "identity")[..3], ["identity", "0", "0"]);
    assert!(row(&said, "sales_summary").len() > 4, "{said}");
    assert!(said.contains("AWAY the store `orders`: Postgres cannot be reached"), "{said}");
    assert!(said.contains("handsel doctor") && !said.contains("swordfish"), "{said}");
}

#[tokio::test]
async fn read_models_or_a_broker_that_are_away_are_named_and_the_stores_are_shown() {
    let database = database().await;
    let env =
        [("DATABASE_URL", database.url()), ("HANDSEL_VIEWS_DATABASE_URL", NOWHERE), ("KAFKA_BROKERS", "127.0.0.1:1")];
    let finished = Program::new(EXE, &[], &env).call(&["status"]).await;
    let said = finished.stdout;
    assert_eq!(finished.status.code(), Some(1), "{said}");
    assert_eq!(row(&said, "orders")[..3], ["orders", "0", "0"]);
    assert!(said.contains("AWAY the read models: cannot connect to Postgres at 127.0.0.1:1"), "{said}");
    assert!(said.contains("AWAY Kafka at 127.0.0.1:1: ") && said.contains("published when it is back"), "{said}");
}

#[tokio::test]
async fn events_that_wait_while_no_relay_leads_are_counted() {
    let database = database().await;
    let pool = sqlx::PgPool::connect(database.url()).await.unwrap();
    sqlx::raw_sql(&super::poison()).execute(&pool).await.unwrap();
    let said = Program::new(EXE, &[], &[("DATABASE_URL", database.url())]).call(&["status"]).await.ok();
    assert!(said.contains("1 events of `orders` wait to be published, and no relay leads"), "{said}");
}
