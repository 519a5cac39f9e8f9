//! Given what happened to products and their stock, then these rows.

use envelope::Timestamp;
use event_schemas::ids::{AccountId, ProductId, ReservationId};
use event_schemas::products::{ProductEvent, StockEvent, Variant};
use event_schemas::{Context, Currency, Money};
use serde_json::json;
use uuid::Uuid;

use super::world::{Given, World, given};

fn product(number: u128) -> Uuid {
    Uuid::from_u128((0xd << 120) + number)
}

fn until() -> Timestamp {
    "2026-11-21T10:00:00.000001Z".parse().unwrap()
}

fn drafted(number: u128) -> ProductEvent {
    ProductEvent::ProductDrafted {
        product: ProductId(product(number)),
        seller: AccountId(Uuid::from_u128(1)),
        title: format!("Mug {number}"),
        description: "Holds \"tea\".\nAnd more.".to_owned(),
        price: Money { amount_minor: 1200, currency: Currency::USD },
        categories: vec!["kitchen".to_owned(), "gifts".to_owned()],
        media: Some("https://media.example.org/mug.jpg".to_owned()),
        variants: vec![Variant { sku: "MUG-RED".parse().unwrap(), title: "Red, \"bright\"".to_owned() }],
    }
}

/// One after the other, all to the same product.
fn to_product(number: u128, events: impl IntoIterator<Item = ProductEvent>) -> Vec<Given> {
    let one = |(event, sequence): (ProductEvent, i64)| given(("product", product(number)), sequence, event.into());
    events.into_iter().zip(1..).map(one).collect()
}

/// One after the other, all to the stock of the same variant.
fn to_stock(number: u128, events: impl IntoIterator<Item = StockEvent>) -> Vec<Given> {
    let id = format!("{}/MUG-RED", product(number));
    let one = |(event, sequence): (StockEvent, i64)| given(("stock", id.clone()), sequence, event.into());
    events.into_iter().zip(1..).map(one).collect()
}

/// What happened to a product among others, until somewhere in its life.
pub(super) fn history(number: u128) -> Vec<Given> {
    let all = [
        drafted(number),
        ProductEvent::ProductRetitled { title: format!("Cup {number}") },
        ProductEvent::ProductLeaseTaken { by: "ana".to_owned(), until: until() },
        ProductEvent::ProductProposed {},
        ProductEvent::ProductRejected { reason: "blurred".to_owned() },
        ProductEvent::ProductIllustrated { media: None },
        ProductEvent::ProductLeaseReleased {},
        ProductEvent::ProductProposed {},
        ProductEvent::ProductApproved {},
    ];
    to_product(number, all.into_iter().take(1 + usize::try_from(number % 9).unwrap()))
}

/// What happened to its stock.
pub(super) fn stock_history(number: u128) -> Vec<Given> {
    let [one, two] = [1, 2].map(|one| ReservationId(Uuid::from_u128(one)));
    let (product, sku) = (ProductId(product(number)), "MUG-RED".parse().unwrap());
    let all = [
        StockEvent::StockReceived { product, sku, quantity: 10 },
        StockEvent::StockReserved { reservation: one, quantity: 2, until: until() },
        StockEvent::StockReserved { reservation: two, quantity: 3, until: until() },
        StockEvent::StockAdjusted { change: -1, reason: "broken".to_owned() },
        StockEvent::StockCommitted { reservation: one, quantity: 2 },
        StockEvent::StockReleased { reservation: two, quantity: 3 },
    ];
    to_stock(number, all.into_iter().take(1 + usize::try_from(number % 6).unwrap()))
}

#[tokio::test]
async fn a_product_shows_what_it_was_changed_into_last() {
    let world = World::new().await;
    world.append(Context::Products, &history(0)).await;
    world.append(Context::Products, &history(3)).await;
    let running = world.run();
    world.settled().await;
    // Events of a later batch meet rows that are there.
    world.append(Context::Products, &history(7)[..2]).await;
    world.settled().await;
    world.append(Context::Products, &history(7)[2..]).await;
    world.settled().await;
    let what = "state, title, description, amount_minor, currency, categories, media, variants, lease_by, version";
    let rows = world.rows(&format!("select {what} from read.products order by product")).await;
    let first = json!({
        "state": "draft", "title": "Mug 0", "description": "Holds \"tea\".\nAnd more.", "amount_minor": 1200,
        "currency": "USD", "categories": ["kitchen", "gifts"], "media": "https://media.example.org/mug.jpg",
        "variants": [{"sku": "MUG-RED", "title": "Red, \"bright\""}], "lease_by": null, "version": 1});
    assert_eq!(rows[0], first);
    let proposed = ["state", "title", "lease_by", "version"].map(|field| rows[1][field].clone());
    assert_eq!(proposed, [json!("proposed"), json!("Cup 3"), json!("ana"), json!(4)]);
    let again = ["state", "media", "lease_by", "version"].map(|field| rows[2][field].clone());
    assert_eq!(again, [json!("proposed"), json!(null), json!(null), json!(8)]);
    assert_eq!(rows.len(), 3);
    running.stop().await;
}

#[tokio::test]
async fn every_state_of_a_product_has_its_name() {
    use ProductEvent::{ProductApproved, ProductArchived, ProductProposed, ProductRelisted, ProductUnlisted};
    let world = World::new().await;
    let sold = || vec![drafted(0), ProductProposed {}, ProductApproved {}];
    let all = [
        (sold(), "published"),
        ([sold(), vec![ProductUnlisted {}]].concat(), "unlisted"),
        ([sold(), vec![ProductUnlisted {}, ProductRelisted {}]].concat(), "published"),
        ([sold(), vec![ProductArchived {}]].concat(), "archived"),
    ];
    for ((events, _), number) in all.iter().zip(0..) {
        world.append(Context::Products, &to_product(number, events.clone())).await;
    }
    let running = world.run();
    world.settled().await;
    let states = world.rows("select state from read.products order by product").await;
    assert_eq!(states, all.map(|(_, state)| json!({ "state": state })));
    running.stop().await;
}

#[tokio::test]
async fn stock_is_what_came_in_without_what_is_gone() {
    let world = World::new().await;
    for number in 0..6 {
        world.append(Context::Products, &stock_history(number)).await;
    }
    let running = world.run();
    world.settled().await;
    let rows = world.rows("select sku, on_hand, reserved, version from read.stock order by product").await;
    let due = [(10, 0), (10, 2), (10, 5), (9, 5), (7, 3), (7, 0)];
    for ((row, (on_hand, reserved)), version) in rows.iter().zip(due).zip(1..) {
        let due = json!({"sku": "MUG-RED", "on_hand": on_hand, "reserved": reserved, "version": version});
        assert_eq!(*row, due);
    }
    assert_eq!(rows.len(), 6);
    running.stop().await;
}
