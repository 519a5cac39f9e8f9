//! `handsel parked`: an operator finds the event that cannot be applied, and decides.

use serde_json::json;
use tests::{ETA_MAX, append_chained, empty_database, until};

use super::on;

const EVENT: &str = "018f4e7a-0000-7000-8000-0000000000ee";

/// Appended past the commands: nothing but its type is wrong.
pub(crate) fn poison() -> String {
    let columns = format!(
        r#"'order', '018f4e7a-0000-7000-8000-0000000000aa', 1, '{EVENT}', 'OrderPainted', '1', '{{}}',
           '{{"actor":"test","correlation_id":"018f4e7a-0000-7000-8000-0000000000cc"}}', clock_timestamp()"#
    );
    append_chained("es_orders", &columns)
}

#[tokio::test]
async fn a_poisoned_event_is_listed_and_skipped_with_a_reason_while_the_others_go_on() {
    let database = empty_database().await;
    let mut program = on(database.url());
    program.up().await;
    let pool = sqlx::PgPool::connect(database.url()).await.unwrap();
    sqlx::raw_sql(&poison()).execute(&pool).await.unwrap();
    until("it is parked in each view of orders", ETA_MAX, || async {
        let parked: i64 = sqlx::query_scalar("select count(*) from read.parked").fetch_one(&pool).await.unwrap();
        parked == 4
    })
    .await;
    until("readiness counts it", ETA_MAX, || async {
        let said = reqwest::get(format!("{}/readyz?verbose", program.running().admin_url)).await.unwrap();
        let said = said.text().await.unwrap();
        let remarks = ["[+]projector ok, but ", "1 events are parked in `orders`", "; see `handsel parked list`"];
        remarks.iter().all(|remark| said.contains(remark))
    })
    .await;
    let measured =
        reqwest::get(format!("{}/metrics", program.running().admin_url)).await.unwrap().text().await.unwrap();
    assert!(measured.contains("handsel_projection_parked_events{projection=\"orders\"} 1"), "{measured}");
    assert!(measured.contains("handsel_check_well{check=\"projector\"} 0"), "{measured}");
    assert!(program.logged().contains("`handsel parked list orders`"), "{}", program.logged());
    let said = program.call(&["parked", "list", "orders"]).await.ok();
    assert!(said.contains(EVENT) && said.contains("OrderPainted"), "{said}");

    // The shop goes on: what is ordered later is shown.
    let order = json!({"customer": "018f4e7a-0000-7000-8000-000000000001", "ordered_on": "1997-01-12", "units": 5,
                       "total": {"amount_minor": 7700, "currency": "USD"}});
    let asked = reqwest::Client::new()
        .post(format!("{}/v1/orders/import", program.running().url))
        .header("idempotency-key", "\"after-the-poison\"")
        .header("handsel-caller", "tester")
        .json(&order);
    let answer = asked.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    until("the later order is shown", ETA_MAX, || async {
        program.get("/v1/sales/summary").await["orders"] == json!(1)
    })
    .await;

    let retried = program.call(&["parked", "retry", "orders"]).await;
    assert!(!retried.status.success(), "it can still not be applied");
    assert!(retried.stdout.contains("orders: 0 freed, 1 still parked"), "{}", retried.stdout);
    let line = program.call(&["parked", "skip", "orders", EVENT]).await;
    assert!(line.stderr.contains("--reason"), "{}", line.stderr);
    for view in ["orders", "customer_orders", "sales_summary", "sales_by_day"] {
        let words = ["parked", "skip", view, EVENT, "--reason", "painted by mistake"];
        let said = program.call(&words).await.ok();
        assert!(said.contains("1 freed, 0 still parked"), "{said}");
    }
    assert_eq!(program.call(&["parked", "list"]).await.ok().trim(), "nothing is parked");
    let reason: String =
        sqlx::query_scalar("select reason from read.skips where projection = 'orders'").fetch_one(&pool).await.unwrap();
    assert_eq!(reason, "painted by mistake");
    let line = program.call(&["parked", "skip", "orders", EVENT, "--reason", "again"]).await.failure();
    assert!(line.contains("is not parked"), "{line}");
}
