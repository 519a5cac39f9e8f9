//! A shop comes in from its exports, and a market to look at is made.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use tests::{ETA_MAX, Program, World, empty_database, until};

use super::{EXE, journeys};

/// A file of the examples.
fn example(name: &str) -> String {
    format!("{}/../examples/import/{name}", env!("CARGO_MANIFEST_DIR"))
}

async fn all(url: &str, path: &str) -> Vec<Value> {
    journeys::shop::all(url, path).await
}

#[tokio::test]
async fn a_shop_is_imported_twice_and_sells_what_it_had() {
    let World { app, broker: _broker, database } = World::start().await;
    let importer = Program::new(EXE, &[], &[("HANDSEL_URL", &app.url)]);
    let (people, products) = (example("people.csv"), example("shopify-products.csv"));
    let (orders, map) = (example("orders.jsonl"), example("orders.map"));
    let finished = importer.call(&["import", "customers", &people]).await;
    assert_eq!(finished.status.code(), Some(1), "a line was skipped");
    assert!(finished.stdout.contains("customers: 3 imported, 0 already there, 0 refused, 1 lines skipped"));
    assert!(finished.stderr.contains("line 5: skipped: an e-mail address has the form"), "{}", finished.stderr);
    let of_products = ["import", "products", &products, "--set", "currency=EUR"];
    let said = importer.call(&of_products).await.ok();
    assert!(said.contains("products: 3 imported, 0 already there, 0 refused, 0 lines skipped"), "{said}");
    let of_orders = ["import", "orders", &orders, "--map-file", &map];
    let said = importer.call(&of_orders).await.ok();
    assert!(said.contains("orders: 2 imported"), "{said}");

    until("the products are on sale", ETA_MAX, || async {
        all(&app.url, "/v1/products?filter[state]=published").await.len() == 2
    })
    .await;
    let published = all(&app.url, "/v1/products?filter[state]=published").await;
    let mug = published.iter().find(|product| product["title"] == "Tea mug").unwrap();
    let id = mug["product"].as_str().unwrap().to_owned();
    let path = format!("/v1/products/{id}/stock");
    let on_hand = async || {
        let stock = app.get(&path).await.ok();
        let rows = stock["data"].as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| (row["sku"].clone(), row["on_hand"].clone())).collect::<Vec<_>>()
    };
    let expected = [(json!("MUG-BLUE"), json!(7)), (json!("MUG-RED"), json!(12))];
    until("its stock is there", ETA_MAX, || async { on_hand().await.len() == 2 }).await;
    let mut found = on_hand().await;
    found.sort_by_key(|(sku, _)| sku.to_string());
    assert_eq!(found, expected);

    // Somebody works with it, and the ledger forgets: importing again still changes nothing.
    let unlist = app.ask(Method::POST, &format!("/v1/products/{id}/unlist"), &[], None).await;
    assert!(unlist.status < 300, "{unlist:?}");
    let pool = sqlx::PgPool::connect(database.url()).await.unwrap();
    for forgetful in [false, true] {
        if forgetful {
            for context in event_schemas::Context::ALL {
                sqlx::query(&format!("delete from es_{context}.commands")).execute(&pool).await.unwrap();
            }
        }
        let said = importer.call(&of_products).await.ok();
        assert!(said.contains("products: 0 imported, 3 already there, 0 refused"), "{forgetful}: {said}");
        let said = importer.call(&of_orders).await.ok();
        assert!(said.contains("orders: 0 imported, 2 already there, 0 refused"), "{forgetful}: {said}");
    }
    let mut found = on_hand().await;
    found.sort_by_key(|(sku, _)| sku.to_string());
    assert_eq!(found, expected);
    assert_eq!(app.get(&format!("/v1/products/{id}")).await.ok()["state"], "unlisted");
    let sales = app.get("/v1/sales/summary").await.ok();
    assert_eq!((&sales["orders"], &sales["units"]), (&json!(2), &json!(3)), "{sales}");
    app.stop().await;
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_sends_nothing() {
    let nowhere = Program::new(EXE, &[], &[("HANDSEL_URL", "http://127.0.0.1:9")]);
    let file = example("shopify-products.csv");
    let line = nowhere.call(&["import", "products", &file, "--dry-run"]).await;
    assert!(!line.status.success());
    let why = "no column fills `currency` (ISO 4217, such as EUR); say which one does with --map currency=COLUMN, or \
               --set currency=VALUE for all rows";
    assert!(line.stderr.contains(why), "{}", line.stderr);
    assert!(line.stdout.contains("the columns are those of Shopify products"), "{}", line.stdout);
    let said = nowhere.call(&["import", "products", &file, "--set", "currency=EUR", "--dry-run"]).await.ok();
    for part in [
        "categories   Type + Tags",
        "left out: Published, Option1 Name",
        "\"title\":\"Tea mug\"",
        "3 products with 4 variants and 59 pieces in stock would be imported, 0 lines be skipped; nothing was sent",
    ] {
        assert!(said.contains(part), "{part}:\n{said}");
    }
    let line = nowhere.call(&["import", "products", &file, "--map", "title"]).await.failure();
    assert!(line.contains("`title` is no pair; write target=column"), "{line}");
}

#[tokio::test]
async fn a_dry_run_names_every_bad_line_and_what_is_wrong_with_it() {
    let nowhere = Program::new(EXE, &[], &[("HANDSEL_URL", "http://127.0.0.1:9")]);
    let file = nowhere.folder().join("orders.csv");
    let mut text = "id,customer,date,units,total,currency\n".to_owned();
    let wrong = [
        ("0,1.00,EUR", "an order has 1 to 1000000 units"),
        ("-1,1.00,EUR", "`-1` is no number of pieces"),
        ("9223372036854775808,1.00,EUR", "`9223372036854775808` is no number of pieces"),
        ("1,1.005,EUR", "nothing is rounded"),
        ("1,-1.00,EUR", "without signs"),
        ("1,1.00,euro", "three upper-case letters"),
    ];
    for number in 0..300 {
        let cells = wrong.get(number % 7).map_or("1,1.00,EUR", |(cells, _)| cells);
        text.push_str(&format!("{number},ana,2024-05-01,{cells}\n"));
    }
    std::fs::write(&file, text).unwrap();
    let said = nowhere.call(&["import", "orders", file.to_str().unwrap(), "--dry-run"]).await;
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    for number in 0..300 {
        let line = said.stderr.lines().find(|line| line.starts_with(&format!("line {}: ", number + 2)));
        match wrong.get(number % 7) {
            Some((cells, why)) => assert!(line.is_some_and(|line| line.contains(why)), "{cells}: {line:?}"),
            None => assert_eq!(line, None),
        }
    }
    let good = (0..300).filter(|number| number % 7 == 6).count();
    let sum = format!("{good} orders with {good} lines and {good} pieces would be imported, {} lines be", 300 - good);
    assert!(said.stdout.contains(&sum), "{}", said.stdout);
}

/// Ids with what they became, and the totals.
async fn market(url: &str) -> (BTreeMap<String, Value>, Value) {
    let mut things = BTreeMap::new();
    for (path, id) in [("/v1/accounts", "account"), ("/v1/products", "product"), ("/v1/orders", "order")] {
        for thing in all(url, path).await {
            let state = json!([thing["state"], thing["total"], thing["title"], thing["name"]]);
            things.insert(format!("{path}/{}", thing[id].as_str().unwrap_or_default()), state);
        }
    }
    let summary: Value = reqwest::get(format!("{url}/v1/sales/summary")).await.unwrap().json().await.unwrap();
    let totals = ["orders", "customers", "units", "revenue_minor"].map(|key| summary[key].clone());
    (things, json!(totals))
}

/// Nothing follows by itself any more but what takes days.
async fn has_settled(url: &str) -> bool {
    let (things, totals) = market(url).await;
    let orders = things.iter().filter(|(id, _)| id.starts_with("/v1/orders")).map(|(_, order)| &order[0]);
    let of = |state: &str| orders.clone().filter(|found| **found == state).count();
    things.len() == 2 + 10 + 8 + 40 && of("placed") == 0 && totals[0] == json!(of("completed"))
}

async fn seeded(seed: &str) -> (BTreeMap<String, Value>, Value) {
    let World { app, broker: _broker, database: _database } = World::start().await;
    let program = Program::new(EXE, &[], &[("HANDSEL_URL", &app.url)]);
    let words = ["seed", "--seed", seed, "--size", "40"];
    let said = program.call(&words).await.ok();
    assert!(said.contains("orders: 40 imported, 0 already there, 0 refused"), "{said}");
    until("all of it can be read", ETA_MAX, || async { has_settled(&app.url).await }).await;
    let said = program.call(&words).await.ok();
    for line in
        ["accounts: 0 imported, 12 already", "products: 0 imported, 8 already", "orders: 0 imported, 40 already"]
    {
        assert!(said.contains(line), "{said}");
    }
    let found = market(&app.url).await;
    app.stop().await;
    found
}

#[tokio::test]
async fn the_same_seed_makes_the_same_market_and_another_one_another() {
    let (first, again, other) = tokio::join!(seeded("7"), seeded("7"), seeded("8"));
    assert_eq!(first, again);
    assert!(first.0.keys().all(|id| !other.0.contains_key(id)), "no id is of both");
    assert_ne!(first.1, other.1);
}

#[tokio::test]
async fn a_demo_market_is_made_behind_a_start_once_and_everything_holds() {
    let database = empty_database().await;
    let mut program = Program::new(EXE, &["--demo"], &[("DATABASE_URL", database.url())]);
    program.up().await;
    until("the market is there", 2 * ETA_MAX, || async { program.logged().contains("The demo market is there") }).await;
    assert!(!program.logged().contains("refused with"), "{}", program.logged());
    let said = program.call(&["seed"]).await.ok();
    assert!(said.contains("orders: 0 imported, 60 already there, 0 refused"), "{said}");
    let said = program.call(&["verify", "--all"]).await.ok();
    assert!(!said.contains("FAILED"), "{said}");
    assert!(program.terminate().await.success());
    program.up().await;
    let looked = || async { program.logged().contains("so no demo market is made") };
    until("it has looked whether anything is there", ETA_MAX, looked).await;
    assert!(program.terminate().await.success());
    let made = program.logged().matches("The demo market is there").count();
    assert_eq!(made, 1, "what is there is not made again");
}
