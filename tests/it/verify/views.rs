//! What the verifier says when a read model does not show what happened.

use sqlx::Executor as _;
use verifier::{Options, Verdict};

use super::all::{Shop, account, assert_violated, tamper};

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_off_by_one_missing_or_made_up_is_named_by_oracle_and_rebuild() {
    let stopped = Shop::open().await.stop().await;
    let report = stopped.verify(&["I11", "I12"]).await;
    assert!(report.holds, "{report}");
    let ana = account(1);
    for (view, tampering, place) in [
        (
            "orders",
            "update read.orders_v1 set units = units + 1 where amount_minor = 103",
            "units is `5` and should be `4`",
        ),
        ("customer_orders", "delete from read.customer_orders_v1 where amount_minor = 104", "the row is missing"),
        (
            "sales_by_day",
            "insert into read.sales_by_day_v1 values ('1997-03-01', 'USD', 1, 1, 1, 1)",
            "read.sales_by_day (1997-03-01, USD): nothing that happened leads to this row",
        ),
        (
            "sales_summary",
            "update read.sales_summary_v1 set revenue_minor = revenue_minor - 1 where currency = 'EUR'",
            "read.sales_summary (EUR): revenue_minor",
        ),
        (
            "audit_log",
            "update read.audit_log_v1 set actor = 'bob' where context = 'orders' and position = 4",
            "read.audit_log (orders, 4): actor is `bob` and should be `tester`",
        ),
        (
            "products",
            "update read.products_v1 set categories = array['kitchen']",
            r#"categories is `["kitchen"]` and should be `["kitchen","all"]`"#,
        ),
        (
            "payments",
            "update read.payments_v1 set refunded_minor = 299 where state = 'partially_refunded'",
            "refunded_minor is `299` and should be `300`",
        ),
        (
            "payment_operations",
            "update read.payment_operations_v1 set code = null where code = 'action_required'",
            "code is null and should be `action_required`",
        ),
        ("stock", "update read.stock_v1 set reserved = 2", "reserved is `2` and should be `3`"),
        ("accounts", "update read.accounts_v1 set name = 'Bob' where name = 'Ana 1'", ana.as_str()),
    ] {
        let table = format!("read.{view}_v1");
        tamper(&stopped.sql, &format!("create table kept as select * from {table}")).await;
        tamper(&stopped.sql, tampering).await;
        let report = stopped.verify(&["I11", "I12"]).await;
        assert_violated(&report, "I12", place);
        assert_violated(&report, "I11", &format!("read.{view}_v"));
        assert!(!report.to_string().contains("Bob"), "personal data is not shown:\n{report}");
        let others = report.checks.iter().filter(|outcome| outcome.verdict == Verdict::DoesNotHold);
        assert_eq!(others.count(), 2, "no other read model is accused:\n{report}");
        tamper(&stopped.sql, &format!("delete from {table}; insert into {table} select * from kept; drop table kept"))
            .await;
    }
    let report = stopped.verify(&["I11", "I12"]).await;
    assert!(report.holds, "what is shown is what it was:\n{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_with_other_code_than_the_events_mean_would_be_seen_by_the_oracle_alone() {
    let stopped = Shop::open().await.stop().await;
    // Rows and the memory of the rebuild agree, as after a mistake in the projection: only the oracle can tell.
    tamper(&stopped.sql, "update read.sales_summary_v1 set customers = customers + 1").await;
    let report = stopped.verify(&["I12"]).await;
    assert_violated(&report, "I12", "customers is `5` and should be `4`");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_behind_is_right_as_far_as_it_is() {
    let shop = Shop::open().await;
    let sql = shop.sql().await;
    // The projection cannot go on while its checkpoints are held, and so stays behind.
    let report = shop.verify(&["I9"], shop.options()).await;
    assert!(report.holds, "{report}");
    let mut held = sql.begin().await.unwrap();
    held.execute("select from read.checkpoints where projection = 'orders' for update").await.unwrap();
    let total = serde_json::json!({"amount_minor": 1, "currency": "USD"});
    let body = serde_json::json!({"customer": account(1), "ordered_on": "1997-03-01", "units": 1, "total": total});
    assert_eq!(shop.world.app.post("/v1/orders/import", "late", &body).await.status, 201);
    let options = Options { apis: vec![], settle_max: std::time::Duration::from_secs(1), ..shop.options() };
    let report = shop.verify(&["I12"], Options { quiesced: false, ..options }).await;
    assert_violated(&report, "I12", "orders: orders, place");
    let oracle = report.checks.iter().find(|outcome| outcome.what == "read model orders against its oracle").unwrap();
    assert_eq!((oracle.verdict, &oracle.seen["rows"]), (Verdict::Holds, &serde_json::json!(12)), "{report}");
    held.rollback().await.unwrap();
    shop.world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_forgets_what_its_token_tells_of_is_named() {
    let shop = Shop::open().await;
    let report = shop.verify(&["I13"], shop.options()).await;
    assert!(report.holds, "{report}");
    let sql = shop.sql().await;
    let order = &shop.journal[5].aggregate;
    sql.execute(format!("delete from read.orders_v1 where order_id = '{order}'").as_str()).await.unwrap();
    let renamed = account(0);
    sql.execute(format!("update read.accounts_v1 set version = version - 1 where account = '{renamed}'").as_str())
        .await
        .unwrap();
    let report = shop.verify(&["I13"], shop.options()).await;
    assert_violated(&report, "I13", &format!("/v1/orders/{order} with a token of orders 6"));
    assert_violated(&report, "I13", &format!("/v1/accounts/{renamed} with a token of identity"));
    shop.world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_answers_otherwise_than_its_view_is_named() {
    let shop = Shop::open().await;
    let report = shop.verify(&["I12"], shop.options()).await;
    assert!(report.holds, "{report}");
    assert!(report.to_string().contains("12 rows answered"), "{report}");
    // One that knows of one order, and has its price wrong.
    let order = shop.world.app.get("/v1/orders?limit=1").await.ok();
    let mut order = order["data"][0].clone();
    let amount = order["total"]["amount_minor"].as_i64().unwrap();
    order["total"]["amount_minor"] = serde_json::json!(amount + 1);
    let id = order["order"].as_str().unwrap().to_owned();
    let page = serde_json::json!({"data": [order], "has_more": false, "next_cursor": null});
    let empty = serde_json::json!({"data": [], "has_more": false, "next_cursor": null});
    let routes = axum::Router::new()
        .route("/v1/orders", axum::routing::get(async move || axum::Json(page)))
        .fallback(async move || axum::Json(empty));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let liar = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let report = shop.verify(&["I12", "I13"], Options { apis: vec![liar], ..shop.options() }).await;
    let wrong = format!("/v1/orders: read.orders ({id}): amount_minor is `{}` and should be `{amount}`", amount + 1);
    assert_violated(&report, "I12", &wrong);
    assert_violated(&report, "I12", "/v1/accounts: read.accounts");
    assert_violated(&report, "I13", "shows nothing");
    assert!(!report.to_string().contains("ana@example.org"), "personal data is not shown:\n{report}");
    shop.world.app.stop().await;
}
