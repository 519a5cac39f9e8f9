//! Orders that are placed here: reserved, confirmed, sent, delivered and completed, or cancelled and undone.

use reqwest::Method;
use tests::{ETA_MAX, until};
use uuid::Uuid;

use super::*;

const JSON: &str = "content-type: application/json";

/// A shop on the API.
struct Shop {
    api: Api,
}

impl Shop {
    async fn open() -> Self {
        Self { api: Api::start().await }
    }

    /// Puts a product on sale in two variants, and gives its id.
    async fn sells(&self, title: &str, price: i64, pieces: i64) -> String {
        self.sells_in("USD", title, price, pieces).await
    }

    async fn sells_in(&self, currency: &str, title: &str, price: i64, pieces: i64) -> String {
        let body = json!({"seller": ACCOUNT, "title": title, "price": {"amount_minor": price, "currency": currency},
                          "variants": [{"sku": "RED", "title": "Red"}, {"sku": "BLUE", "title": "Blue"}]});
        let made = self.post("/v1/products", &Uuid::new_v4().to_string(), &body).await.expect(201);
        let product = made.body["product"].as_str().unwrap().to_owned();
        for step in ["propose", "approve"] {
            self.step(&format!("/v1/products/{product}/{step}")).await.expect(204);
        }
        for sku in ["RED", "BLUE"] {
            let place = format!("/v1/products/{product}/stock/{sku}");
            let received = json!({"quantity": pieces});
            let received =
                self.post(&format!("{place}/receive"), &Uuid::new_v4().to_string(), &received).await.expect(204);
            self.api.get(&place, &[&received.token()]).await.expect(200);
        }
        product
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.api.post(path, &[ANA, &format!("Idempotency-Key: \"{key}\"")], body).await
    }

    async fn step(&self, path: &str) -> Answer {
        self.api.send(Method::POST, path, &[ANA], vec![]).await
    }

    async fn place(&self, key: &str, lines: Value) -> Answer {
        let body = json!({"customer": OTHER_ACCOUNT, "lines": lines, "payment_method": "pm_sim_ok"});
        self.post("/v1/orders", key, &body).await
    }

    async fn order(&self, order: &Answer) -> Value {
        let path = format!("/v1/orders/{}", order.body["order"].as_str().unwrap());
        self.api.get(&path, &[&order.token()]).await.expect(200).body
    }

    async fn until_state(&self, order: &Answer, state: &str) -> Value {
        until(&format!("the order is {state}"), ETA_MAX, async || self.order(order).await["state"] == state).await;
        self.order(order).await
    }

    /// How many are on hand, and how many of them are reserved.
    async fn stock(&self, product: &str, sku: &str) -> (i64, i64) {
        let seen = self.api.get(&format!("/v1/products/{product}/stock/{sku}"), &[]).await.expect(200).body;
        (seen["on_hand"].as_i64().unwrap(), seen["reserved"].as_i64().unwrap())
    }

    async fn until_stock(&self, product: &str, sku: &str, due: (i64, i64)) {
        let what = format!("{due:?} of {sku} are on hand and reserved");
        until(&what, ETA_MAX, async || self.stock(product, sku).await == due).await;
    }

    async fn timers(&self, order: &Answer) -> Vec<String> {
        let about = format!("order/{}", order.body["order"].as_str().unwrap());
        let seen = self.api.get(&format!("/v1/timers?filter[about]={about}"), &[]).await.expect(200);
        let rows = seen.body["data"].as_array().unwrap().clone();
        rows.iter().map(|row| row["timer"].as_str().unwrap().to_owned()).collect()
    }
}

fn line(product: &str, sku: &str, quantity: i64) -> Value {
    json!({"product": product, "sku": sku, "quantity": quantity})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_comes_from_its_placing_to_its_end() {
    let shop = Shop::open().await;
    let gift = shop.sells("Gift", 0, 5).await;
    let lines = json!([line(&gift, "RED", 1), line(&gift, "BLUE", 2), line(&gift, "RED", 1)]);
    let order = shop.place("k", lines.clone()).await.expect(202);
    assert_eq!(order.header("retry-after"), "1");
    let again = shop.place("k", lines).await.expect(202);
    assert_eq!((again.header("idempotent-replayed"), &again.body), ("true", &order.body));

    let confirmed = shop.until_state(&order, "confirmed").await;
    assert_eq!(confirmed["seller"], ACCOUNT);
    let shown = |line: &Value| (line["sku"].clone(), line["title"].clone(), line["quantity"].clone());
    let lines: Vec<_> = confirmed["lines"].as_array().unwrap().iter().map(shown).collect();
    assert_eq!(lines, [(json!("BLUE"), json!("Gift, Blue"), json!(2)), (json!("RED"), json!("Gift, Red"), json!(2))]);
    shop.until_stock(&gift, "BLUE", (5, 2)).await;
    until("the order is to be sent", ETA_MAX, async || shop.timers(&order).await == ["shipment_due"]).await;

    let place = format!("/v1/orders/{}", order.body["order"].as_str().unwrap());
    let part = json!({"lines": [line(&gift, "RED", 2)], "tracking": "1Z999"});
    shop.post(&format!("{place}/shipments"), "first", &part).await.expect(200);
    let refused = shop.post(&format!("{place}/cancel"), "late", &json!({"reason": "by_customer"})).await.expect(409);
    assert_eq!(refused.body["code"], "order-shipped");
    let early = shop.step(&format!("{place}/deliver")).await.expect(409);
    assert_eq!(early.body["code"], "order-not-shipped");
    shop.until_state(&order, "partly_shipped").await;
    shop.until_stock(&gift, "BLUE", (3, 0)).await;
    shop.until_stock(&gift, "RED", (3, 0)).await;
    shop.post(&format!("{place}/shipments"), "rest", &json!({})).await.expect(200);
    let shipped = shop.until_state(&order, "shipped").await;
    assert_eq!(shipped["shipments"].as_array().unwrap().len(), 2);
    assert_eq!(shipped["shipments"][0]["tracking"], "1Z999");

    shop.step(&format!("{place}/deliver")).await.expect(204);
    until("the order completes by itself", ETA_MAX, async || shop.timers(&order).await == ["completion"]).await;
    let completed = shop.step(&format!("{place}/complete")).await.expect(204);
    let sums = shop.api.get("/v1/sales/summary", &[&completed.token()]).await.expect(200);
    assert_eq!((&sums.body["orders"], &sums.body["units"]), (&json!(1), &json!(4)));
    until("nothing is left to do", ETA_MAX, async || shop.timers(&order).await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_lines_are_reserved_or_none() {
    let shop = Shop::open().await;
    let (mug, cup) = (shop.sells("Mug", 0, 5).await, shop.sells("Cup", 0, 1).await);
    let order = shop.place("k", json!([line(&mug, "RED", 2), line(&cup, "RED", 2)])).await.expect(202);
    let cancelled = shop.until_state(&order, "cancelled").await;
    assert_eq!(cancelled["reason"], "out_of_stock");
    assert_eq!((shop.stock(&mug, "RED").await, shop.stock(&cup, "RED").await), ((5, 0), (1, 0)));
    let lacking = json!([{"product": cup, "sku": "RED", "quantity": 2}]);
    until("it is known what was lacking", ETA_MAX, async || {
        let declined = shop.api.get("/v1/events?filter[type]=ReservationDeclined", &[]).await.expect(200);
        declined.body["data"][0]["data"]["lines"] == lacking
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_changed_is_asked_back_and_a_repeat_still_gets_its_answer() {
    let shop = Shop::open().await;
    let mug = shop.sells("Mug", 1200, 5).await;
    let mut wanted = line(&mug, "RED", 1);
    wanted["unit_price"] = json!({"amount_minor": 1200, "currency": "USD"});
    let order = shop.place("k", json!([wanted])).await.expect(202);
    let headers = [ANA, "content-type: application/merge-patch+json", "If-Match: *"];
    let patch = json!({"price": {"amount_minor": 1400, "currency": "USD"}}).to_string();
    shop.api.send(Method::PATCH, &format!("/v1/products/{mug}"), &headers, patch).await.expect(204);
    let refused = shop.place("other", json!([wanted])).await.expect(409);
    assert_eq!(refused.body["code"], "product-price-changed");
    assert_eq!(refused.body["errors"][0]["pointer"], "/lines/0/unit_price");
    assert!(refused.body["detail"].as_str().unwrap().contains("1400 USD"), "{refused:?}");
    // The same figure in another currency is another price.
    wanted["unit_price"] = json!({"amount_minor": 1400, "currency": "EUR"});
    assert_eq!(shop.place("euro", json!([wanted])).await.expect(409).body["code"], "product-price-changed");
    wanted["unit_price"] = json!({"amount_minor": 1200, "currency": "USD"});
    let again = shop.place("k", json!([wanted])).await.expect(202);
    assert_eq!((again.header("idempotent-replayed"), &again.body), ("true", &order.body));
    let reused = shop.place("k", json!([line(&mug, "BLUE", 1)])).await.expect(422);
    assert_eq!(reused.body["code"], "idempotency-key-reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_gives_its_pieces_back_and_its_deadline_is_forgotten() {
    let shop = Shop::open().await;
    let mug = shop.sells("Mug", 1200, 5).await;
    // Nobody confirms the payment.
    let body = json!({"customer": OTHER_ACCOUNT, "lines": [line(&mug, "RED", 2)],
                      "payment_method": "pm_sim_action_required"});
    let order = shop.post("/v1/orders", "k", &body).await.expect(202);
    shop.until_stock(&mug, "RED", (5, 2)).await;
    assert_eq!(shop.timers(&order).await, ["payment_due"]);
    let place = format!("/v1/orders/{}", order.body["order"].as_str().unwrap());
    shop.post(&format!("{place}/cancel"), "c", &json!({"reason": "by_customer"})).await.expect(204);
    assert_eq!(shop.until_state(&order, "cancelled").await["reason"], "by_customer");
    shop.until_stock(&mug, "RED", (5, 0)).await;
    until("its deadline is forgotten", ETA_MAX, async || shop.timers(&order).await.is_empty()).await;
    let refused = shop.post(&format!("{place}/shipments"), "s", &json!({})).await.expect(409);
    assert_eq!(refused.body["code"], "order-cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_want_the_last_piece_one_gets_it() {
    let shop = Shop::open().await;
    let last = shop.sells("Last", 0, 1).await;
    let wanted = json!([line(&last, "RED", 1)]);
    let keys: Vec<String> = (0..50).map(|number| format!("buyer-{number}")).collect();
    let placed = futures::future::join_all(keys.iter().map(|key| shop.place(key, wanted.clone()))).await;
    let mut winners = 0;
    for order in placed {
        let order = order.expect(202);
        until("it is decided", ETA_MAX, async || {
            let state = shop.order(&order).await["state"].clone();
            state == "confirmed" || state == "cancelled"
        })
        .await;
        winners += i32::from(shop.order(&order).await["state"] == "confirmed");
    }
    assert_eq!(winners, 1);
    shop.until_stock(&last, "RED", (1, 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_that_nobody_takes_in_time_are_free_again() {
    let shop = Shop::open().await;
    let mug = shop.sells("Mug", 1200, 5).await;
    let end = envelope::Timestamp::from_micros(platform::clock::now().micros() + 1_500_000).unwrap();
    let body = json!({"quantity": 3, "until": end.to_string()});
    shop.post(&format!("/v1/products/{mug}/stock/RED/reservations"), "r", &body).await.expect(200);
    shop.until_stock(&mug, "RED", (5, 3)).await;
    shop.until_stock(&mug, "RED", (5, 0)).await;
    assert!(platform::clock::now() >= end, "it was given back before its time");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_ordered_is_refused_by_its_place() {
    let shop = Shop::open().await;
    let mug = shop.sells("Mug", 1200, 5).await;
    let tea = shop.sells_in("EUR", "Tea", 500, 5).await;
    let dollars = json!([line(&mug, "RED", 1)]);
    for (lines, status, code, pointer) in [
        (json!([]), 422, "order-lines-invalid", "/lines"),
        (json!([line(&mug, "RED", 0)]), 422, "order-quantity-out-of-range", "/lines"),
        (json!([line(&mug, "RED", -1)]), 422, "order-quantity-out-of-range", "/lines"),
        (json!([line(&mug, "RED", i64::MAX)]), 422, "order-quantity-out-of-range", "/lines"),
        (json!([{"product": mug, "sku": "RED", "quantity": 1_u64 << 63}]), 422, "bad-field", "/lines/0/quantity"),
        (json!([line(&mug, "RED", 1), line(&mug, "GREEN", 1)]), 404, "product-variant-not-found", "/lines/1/sku"),
        (json!([line(ORDER, "RED", 1)]), 404, "product-not-found", "/lines/0/product"),
        (json!([line(&mug, "R D", 1)]), 422, "bad-field", "/lines/0/sku"),
        (json!({"product": mug}), 422, "bad-field", "/lines"),
        (json!([line(&mug, "RED", 1), line(&tea, "RED", 1)]), 422, "order-several-currencies", "/lines"),
    ] {
        let refused = shop.place("k", lines.clone()).await.expect(status);
        assert_eq!(refused.body["code"], code, "{lines}");
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{lines}");
    }
    let method = json!({"customer": OTHER_ACCOUNT, "lines": dollars, "payment_method": "4242 4242 4242 4242"});
    let refused = shop.post("/v1/orders", "m", &method).await.expect(422);
    assert_eq!(refused.body["code"], "order-payment-method-invalid");
    let anonymous = json!({"customer": OTHER_ACCOUNT, "lines": dollars, "payment_method": "pm"});
    shop.api.post("/v1/orders", &[JSON], &anonymous).await.expect(400);
    let nothing = shop.step(&format!("/v1/orders/{ORDER}/complete")).await.expect(404);
    assert_eq!(nothing.body["code"], "order-not-found");
    let misspelt = shop.api.get("/v1/orders?filter[state]=payed", &[]).await.expect(400);
    assert_eq!(misspelt.body["errors"][0]["pointer"], "filter[state]");
}
