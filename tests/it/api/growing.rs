//! Views are looked up by their keys, also over connections that have known them when they were small.

use std::sync::Arc;

use handsel::roles::Role;
use sqlx::PgPool;
use tests::{ETA_MAX, TestApp, until};

const ORDERS: i64 = 5_000;
/// From the sixth call on Postgres would keep one plan for as long as the connection lives.
const CALLS: i64 = 60;

#[tokio::test]
async fn a_view_that_has_grown_is_looked_up_and_not_walked_through() {
    let (database, broker) = (tests::database().await, tests::broker().await);
    let app = Arc::new(TestApp::start(&database, &broker, &[Role::QueryApi]).await);
    let views = PgPool::connect(database.url()).await.unwrap();
    let grow = |from: i64, to: i64| {
        let sql = "insert into read.orders_v1 (order_id, customer, state, ordered_on, units, amount_minor, currency,
                                               version, recorded_at, changed_at)
                   select lpad(to_hex(n), 32, '0')::uuid, gen_random_uuid(), 'completed', '1997-01-01', 1, 1, 'USD', 1,
                          now(), now()
                     from generate_series($1::bigint, $2::bigint) n";
        sqlx::query(sql).bind(from).bind(to).execute(&views)
    };
    let look = async |calls: i64| {
        for number in 1..=calls {
            let order = uuid::Uuid::from_u128(u128::try_from(number % 2 + 1).unwrap());
            assert_eq!(app.get(&format!("/v1/orders/{order}")).await.status, 200);
        }
    };
    grow(1, 2).await.unwrap();
    sqlx::query("analyze read.orders_v1").execute(&views).await.unwrap();
    look(CALLS).await;
    grow(3, ORDERS).await.unwrap();
    look(CALLS).await;
    Arc::into_inner(app).unwrap().stop().await;
    // What a connection counted is told at its end at the latest.
    let others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
                     and application_name = 'handsel views'";
    until("the app's connections end", ETA_MAX, || async {
        sqlx::query_scalar::<_, i64>(others).fetch_one(&views).await.unwrap() == 0
    })
    .await;
    let walked = "select seq_tup_read from pg_stat_user_tables where schemaname = 'read' and relname = 'orders_v1'";
    let walked: i64 = sqlx::query_scalar(walked).fetch_one(&views).await.unwrap();
    assert!(walked < 2 * ORDERS, "{walked} rows were walked through for {CALLS} look-ups among {ORDERS}");
}
