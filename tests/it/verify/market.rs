//! The rules of the market: stock that is promised twice, orders that go where none may, and orders that nobody minds.

use super::all::{Shop, account, assert_violated, tamper};

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_rule_of_the_market_is_named() {
    let mut shop = Shop::open().await;
    shop.buy().await;
    let report = shop.verify(&["I14", "I17", "I20"], shop.options()).await;
    assert!(report.holds, "{report}");
    let sql = shop.sql().await;
    let (stock, order) = (format!("{}/RED", account(9)), account(8));

    tamper(&sql, "delete from react.timers").await;
    let report = shop.verify(&["I20"], shop.options()).await;
    assert_violated(&report, "I20", &format!("order {order} is reserved and nobody keeps its time"));

    let more = "update es_products.events set payload = json_build_object('reservation', gen_random_uuid(), 'quantity',
                                                           1000, 'until', '2026-01-01T00:00:00Z')
                 where event_type = 'StockReserved' and position = (
                       select max(position) from es_products.events where event_type = 'StockReserved')";
    tamper(&sql, more).await;
    let report = shop.verify(&["I14"], shop.options()).await;
    assert_violated(&report, "I14", &format!("stock `{stock}` at position"));

    let shipped = "update es_orders.events set event_type = 'OrderDelivered',
                          payload = '{\"complete_at\":\"2026-01-01T00:00:00Z\"}' where event_type = 'OrderReserved'";
    tamper(&sql, shipped).await;
    let report = shop.verify(&["I17"], shop.options()).await;
    assert_violated(&report, "I17", &format!("order {order} at position 14: OrderDelivered after placed"));
    shop.world.app.stop().await;
}
