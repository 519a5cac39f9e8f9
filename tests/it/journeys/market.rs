//! From the page of a product to an order that was delivered: over REST alone, and everything that follows, follows.

use std::sync::{Arc, Mutex};

use event_schemas::Context;
use futures::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, ETA_MAX, TestApp, World, until};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{kafka, shop};

/// The types of the events of an order, as the live feed sends them.
struct Feed {
    seen: Arc<Mutex<Vec<String>>>,
    reading: JoinHandle<()>,
}

impl Feed {
    async fn of(app: &TestApp, aggregate: &str) -> Self {
        let path = format!("{}/v1/events/stream?filter[context]=orders&filter[aggregate]={aggregate}", app.url);
        let mut bytes = reqwest::get(path).await.unwrap().error_for_status().unwrap().bytes_stream();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = seen.clone();
        let reading = tokio::spawn(async move {
            let mut text = String::new();
            while let Some(Ok(chunk)) = bytes.next().await {
                text.push_str(&String::from_utf8_lossy(&chunk));
                while let Some(end) = text.find('\n') {
                    let line: String = text.drain(..=end).collect();
                    if let Some(event) = line.strip_prefix("data: ").and_then(|data| serde_json::from_str(data).ok()) {
                        let event: Value = event;
                        noted.lock().unwrap().push(event["event_type"].as_str().unwrap().to_owned());
                    }
                }
            }
        });
        Self { seen, reading }
    }

    async fn until(&self, due: &[&str]) {
        until(&format!("the feed has {due:?}"), ETA_MAX, async || *self.seen.lock().unwrap() == due).await;
        self.reading.abort();
    }
}

pub(super) async fn made(app: &TestApp, path: &str, body: &Value) -> Answer {
    let answer = app.post(path, &Uuid::new_v4().to_string(), body).await;
    assert!((200..300).contains(&answer.status), "{path}: {} {}", answer.status, answer.body);
    answer
}

pub(super) async fn done(app: &TestApp, path: &str) -> Answer {
    let answer = app.ask(Method::POST, path, &[("handsel-caller", "tester")], None).await;
    assert_eq!(answer.status, 204, "{path}: {}", answer.body);
    answer
}

pub(super) async fn until_state(app: &TestApp, path: &str, state: &str) {
    until(&format!("{path} is {state}"), ETA_MAX, async || app.get(path).await.body["state"] == state).await;
}

#[tokio::test]
async fn an_order_goes_from_the_page_of_a_product_to_its_delivery_and_everything_follows() {
    let World { app, broker, database: _database } = World::start().await;
    let (customer, product, order) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4().to_string());
    let registering = json!({"account": customer, "name": "Mia Moss", "email": "mia@example.org"});
    made(&app, "/v1/accounts", &registering).await;
    let draft = json!({"product": product, "seller": Uuid::new_v4(), "title": "Marble teapot",
                       "price": {"amount_minor": 4200, "currency": "EUR"},
                       "variants": [{"sku": "WHITE", "title": "White"}]});
    made(&app, "/v1/products", &draft).await;
    done(&app, &format!("/v1/products/{product}/propose")).await;
    let approved = done(&app, &format!("/v1/products/{product}/approve")).await;
    let stock = format!("/v1/products/{product}/stock/WHITE");
    let received = made(&app, &format!("{stock}/receive"), &json!({"quantity": 10})).await;
    let _shown = app.get_after(&stock, received.header("consistency-token")).await.ok();

    // It is found by whoever knows that it was put on sale, and its page has what an order names.
    let token = approved.header("consistency-token");
    let found = app.get_after("/v1/search/products?q=marble+teapots", token).await.ok();
    assert_eq!(found["data"][0]["product"], json!(product), "{found}");
    let page = app.get_after(&format!("/v1/products/{product}"), token).await.ok();
    let feed = Feed::of(&app, &order).await;
    let wanted = json!({"order": order, "customer": customer, "payment_method": "pm_sim_timeout_after",
                        "lines": [{"product": product, "sku": page["variants"][0]["sku"], "quantity": 3,
                                   "unit_price": page["price"]}]});
    let placed = made(&app, "/v1/orders", &wanted).await;
    let place = placed.header("location").to_owned();
    until_state(&app, &place, "confirmed").await;
    let kept = app.get(&stock).await.ok();
    assert_eq!((&kept["on_hand"], &kept["reserved"]), (&json!(10), &json!(3)), "{kept}");
    until_state(&app, &format!("/v1/payments/{order}"), "authorized").await;
    let inbox = "/v1/inbox?to=mia@example.org";
    until("the customer is told", ETA_MAX, async || !app.get(inbox).await.body["data"][0].is_null()).await;
    let mail = app.get(inbox).await.ok()["data"][0].clone();
    assert_eq!(mail["subject"], "Your order is confirmed: Marble teapot, White", "{mail}");

    made(&app, &format!("{place}/shipments"), &json!({"tracking": "1Z999"})).await;
    done(&app, &format!("{place}/deliver")).await;
    until_state(&app, &place, "delivered").await;
    until_state(&app, &format!("/v1/payments/{order}"), "captured").await;
    let sold = async || app.get(&stock).await.ok()["on_hand"] == json!(7);
    until("three pieces are sold", ETA_MAX, sold).await;
    feed.until(&["OrderPlaced", "OrderReserved", "OrderConfirmed", "OrderShipped", "OrderDelivered"]).await;
    for context in [Context::Orders, Context::Payments, Context::Products] {
        kafka::topic_holds_the_store(&broker, &app.spine, context).await;
    }
    shop::every_store_verifies(&app.spine).await;
    app.stop().await;
}
