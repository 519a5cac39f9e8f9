//! Who sells and who buys.

use serde_json::json;
use uuid::Uuid;

use super::dice::Dice;
use super::market::Market;
use crate::client::{Job, Request};

const FIRST_NAMES: [&str; 24] = [
    "Ana", "Ben", "Carla", "Deniz", "Elif", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Kemal", "Lea", "Mateo", "Nora",
    "Oskar", "Priya", "Quentin", "Rosa", "Samir", "Tess", "Umar", "Vera", "Wanda", "Yuki",
];
const LAST_NAMES: [&str; 20] = [
    "Alves", "Becker", "Costa", "Demir", "Eriksen", "Fischer", "Garcia", "Haddad", "Ivanova", "Jansen", "Kaya", "Lima",
    "Moreau", "Novak", "Okafor", "Petit", "Quist", "Rossi", "Silva", "Tanaka",
];
const TRADES: [&str; 10] =
    ["Pottery", "Books", "Textiles", "Woodworks", "Glass", "Tea House", "Stationery", "Toys", "Candles", "Garden"];

pub(super) fn seller(market: &Market, index: usize, dice: &mut Dice) -> Job {
    let name = format!("{} {}", dice.one(&LAST_NAMES), dice.one(&TRADES));
    account(market.seller_id(index), &format!("seller {}", index + 1), &name, &format!("seller{}", index + 1))
}

pub(super) fn customer(market: &Market, index: usize, dice: &mut Dice) -> Job {
    let name = format!("{} {}", dice.one(&FIRST_NAMES), dice.one(&LAST_NAMES));
    account(market.customer_id(index), &format!("customer {}", index + 1), &name, &format!("customer{}", index + 1))
}

fn account(id: Uuid, called: &str, name: &str, mailbox: &str) -> Job {
    let body = json!({"account": id, "name": name, "email": format!("{mailbox}@demo.example"), "reference": called});
    Job::of(called, Request::post("/v1/accounts", Uuid::new_v5(&id, b"register"), &body))
}
