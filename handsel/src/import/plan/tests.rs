//! What a file would become.

use std::io::Write as _;

use super::*;
use crate::import::Words;

fn plan(kind: Kind, text: &str, sets: &[&str]) -> Plan {
    plan_of(kind, text, sets, "shop", None)
}

fn plan_of(kind: Kind, text: &str, sets: &[&str], shop: &str, date_format: Option<&str>) -> Plan {
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    write!(file, "{text}").unwrap();
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let words = Words::read(kind, &[], None, &sets).unwrap();
    let table = Table::open(file.path(), None, None).unwrap();
    let mapping = Mapping::find(kind, &table, &words).unwrap();
    let shop = Shop::new(shop, mapping, date_format, '.').unwrap();
    let plan = Plan::make(kind, table, shop).unwrap();
    let steps: Vec<usize> = plan.jobs().unwrap().map(|job| job.unwrap().steps.len()).collect();
    assert_eq!(steps.len() as u64, plan.good, "the second reading finds what the first one found");
    if kind == Kind::Products {
        let per_product: usize = steps.iter().sum();
        assert!(per_product <= 4 * steps.len(), "draft, receive, propose, approve: {steps:?}");
    }
    plan
}

fn bad(plan: &Plan) -> Vec<(u64, &str)> {
    plan.bad.iter().map(|bad| (bad.line, bad.why.as_str())).collect()
}

const SHOPIFY: &str = "Handle,Title,Vendor,Tags,Option1 Value,Variant SKU,Variant Price,Variant Inventory Qty,Image Src
mug,Mug,Potter,\"Kitchen, Gifts\",Red,MUG-RED,12.00,10,https://media.example.org/mug.jpg
mug,,,,Blue,MUG-BLUE,12.00,-2,
mug,,,,,,,,https://media.example.org/mug-2.jpg
tea,Tea,Potter,,Default Title,,4.5,,
";

#[test]
fn rows_of_one_handle_are_the_variants_of_one_product() {
    let plan = plan(Kind::Products, SHOPIFY, &["currency=EUR"]);
    assert_eq!(bad(&plan), []);
    assert_eq!((plan.good, plan.counts), (2, Counts { parts: 3, pieces: 10 }));
    let mug = &plan.first[0];
    assert_eq!(mug["price"], serde_json::json!({"amount_minor": 1200, "currency": "EUR"}));
    assert_eq!(mug["categories"], serde_json::json!(["kitchen", "gifts"]));
    assert_eq!(
        mug["variants"],
        serde_json::json!([{"sku": "MUG-RED", "title": "Red"}, {"sku": "MUG-BLUE", "title": "Blue"}])
    );
    assert_eq!(plan.first[1]["variants"], serde_json::json!([{"sku": "1", "title": "Tea"}]));
    assert_eq!(plan.first[1]["seller"], mug["seller"], "the same seller");
}

#[test]
fn each_bad_line_has_its_number_and_what_is_wrong_with_it() {
    let text = "id,title,seller,sku,price,currency,state
1,Mug,ana,A,1.999,EUR,
2,,ana,A,1,EUR,
3,Cup,ana,A B,1,EUR,
4,Pot,ana,A,1,EUR,
4,,,B,2,,
5,Jar,ana,A,1,euro,
,Jug,ana,A,1,EUR,
6,Can,ana,A,1,EUR,sold
7,Pan,ana,A,1,EUR,
7,,,A,1,,
8,Tin,ana,A,1,EUR,draft
9,Tap
4,Pot,ana,C,1,EUR,
";
    let plan = plan(Kind::Products, text, &[]);
    let expected = [
        (2, "nothing is rounded"),
        (3, "`2` has no title"),
        (4, "a sku has 1 to 64"),
        (6, "all variants of a product cost the same"),
        (7, "three upper-case letters"),
        (8, "no id"),
        (9, "`sold` is no state"),
        (10, "each with a sku of its own"),
        (13, "2 cells, but the header has 7"),
        (14, "`4` came before in this file"),
    ];
    let found = bad(&plan);
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((line, why), (expected_line, expected_why)) in found.iter().zip(expected) {
        assert_eq!(*line, expected_line, "{why}");
        assert!(why.contains(expected_why), "{why}");
    }
    assert_eq!(plan.good, 1);
}

#[test]
fn a_row_that_cannot_be_read_takes_the_thing_along_that_it_belongs_to() {
    let text = "id,title,seller,sku,price,currency\n1,Mug,ana,A,1,EUR\n1,,,B\n1,,,C,1,\n1,,,D,1,\n2,Cup,ana,A,1,EUR\n";
    let plan = plan(Kind::Products, text, &[]);
    assert_eq!(plan.good, 1, "half a product would stay half for ever");
    let whole = "a row of `1` cannot be read, so all of it is left out";
    assert_eq!(bad(&plan), [(2, whole), (3, "4 cells, but the header has 6")]);
}

#[test]
fn lines_of_an_order_are_added_up_and_its_day_is_that_in_utc() {
    let text = "Name,Email,Created at,Lineitem quantity,Total,Currency
#1001,ana@example.org,2024-05-01 23:30:00 -0500,2,30.00,USD
#1001,ana@example.org,,1,,
#1002,bob@example.org,2024-05-01 10:00:00 +0000,0,1.00,USD
";
    let plan = plan(Kind::Orders, text, &[]);
    assert_eq!((plan.good, plan.counts), (1, Counts { parts: 2, pieces: 3 }));
    let order = &plan.first[0];
    assert_eq!((&order["units"], &order["ordered_on"]), (&3.into(), &"2024-05-02".into()));
    assert_eq!(order["total"], serde_json::json!({"amount_minor": 3000, "currency": "USD"}));
    assert_eq!(plan.bad[0].line, 4, "{:?}", plan.bad);
}

#[test]
fn a_line_that_takes_pieces_back_is_not_counted_as_none() {
    let text =
        "id,customer,date,units,total,currency\n1,ana,2024-05-01,2,30.00,USD\n1,,,-1,,\n2,ana,2024-05-01,2,1,USD\n";
    let plan = plan(Kind::Orders, text, &[]);
    assert_eq!(bad(&plan), [(3, "`-1` is no number of pieces that somebody bought")]);
    assert_eq!((plan.good, plan.counts.pieces), (1, 2));
}

#[test]
fn ids_follow_from_the_shop_and_its_own() {
    let text = "id,name,email\nana,Ana,ana@example.org\n018f4e7a-0000-7000-8000-000000000001,Bob,bob@example.org\n";
    let of = |shop: &str| {
        let plan = plan_of(Kind::Customers, text, &[], shop, None);
        (plan.first[0]["account"].clone(), plan.first[1]["account"].clone())
    };
    assert_eq!(of("shop"), of("shop"));
    assert_ne!(of("shop").0, of("other").0);
    assert_eq!(of("shop").1, "018f4e7a-0000-7000-8000-000000000001", "a UUID is an account here");
    let orders = "id,customer,date,units,price,currency\n7,ana,2024-05-01,3,1.50,EUR\n";
    let order = &plan(Kind::Orders, orders, &[]).first[0];
    assert_eq!(order["customer"], of("shop").0, "orders find the customers of the same shop");
    assert_eq!(order["total"]["amount_minor"], 450);
}

#[test]
fn people_are_checked_as_the_api_checks_them() {
    let text = "id,name,email,reference\n1,Ana,nowhere,7\n2,Ana,ana@example.org,\u{7}\n3,Ana,ana@example.org,7\n";
    let plan = plan(Kind::Customers, text, &[]);
    assert_eq!((plan.good, plan.bad.len()), (1, 2), "{:?}", plan.bad);
    assert!(plan.bad[0].why.contains("name@host") && plan.bad[1].why.contains("reference"), "{:?}", plan.bad);
}
