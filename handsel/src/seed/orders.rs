//! What was bought, and how far it has come.

use event_schemas::Sku;
use serde_json::json;
use uuid::Uuid;

use super::dice::{Dice, Zipf};
use super::market::Market;
use super::products::{Plan as Product, Stage};
use crate::client::{Job, Request, Step};

const LINES_MAX: u64 = 3;
const QUANTITY_MAX: u64 = 3;
/// What an order is until it is paid.
const UNPAID: &[&str] = &["placed", "reserved"];

/// Where an order is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    Completed,
    Delivered,
    Shipped,
    PartlyShipped,
    Confirmed,
    /// Paid, and not wanted any more.
    Returned,
    /// The payment is declined.
    Declined,
    /// The payer was asked to confirm, and does not.
    Unanswered,
    /// Nothing is left of what was wanted.
    SoldOut,
    /// Sent, and then the money could not be collected.
    NotCollected,
}

/// An order before it is placed.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) id: Uuid,
    pub(super) fate: Fate,
    customer: usize,
    pub(super) lines: Vec<Line>,
}

/// Product by its place, variant and pieces.
type Line = (usize, Sku, u64);

fn fate(dice: &mut Dice) -> Fate {
    match dice.below(100) {
        0..44 => Fate::Completed,
        44..54 => Fate::Delivered,
        54..64 => Fate::Shipped,
        64..70 => Fate::PartlyShipped,
        70..80 => Fate::Confirmed,
        80..85 => Fate::Returned,
        85..92 => Fate::Declined,
        92..95 => Fate::Unanswered,
        95..98 => Fate::SoldOut,
        _ => Fate::NotCollected,
    }
}

pub(super) fn plan(market: &Market, index: usize, products: &[Product], popular: &Popular, dice: &mut Dice) -> Plan {
    let fate = fate(dice);
    let customer = popular.customers.draw(dice);
    let first = if fate == Fate::SoldOut {
        products.iter().position(|product| product.stage == Stage::SoldOut).unwrap_or_default()
    } else {
        popular.on_sale[popular.products.draw(dice)]
    };
    let mut lines = Vec::new();
    for _ in 0..=dice.below(LINES_MAX) {
        // All lines of an order are of one seller.
        let next = popular.on_sale[popular.products.draw(dice)];
        let same_seller = products[next].seller == products[first].seller && fate != Fate::SoldOut;
        let place = if lines.is_empty() || !same_seller { first } else { next };
        let sku = dice.one(&products[place].variants).clone();
        let quantity = 1 + dice.below(QUANTITY_MAX);
        if !lines.iter().any(|(known, variant, _)| (*known, variant) == (place, &sku)) {
            lines.push((place, sku, quantity));
        }
    }
    if fate == Fate::PartlyShipped {
        // Something must be left to be sent.
        lines[0].2 += 1;
    }
    Plan { id: market.id("order", index), fate, customer, lines }
}

/// Who buys how often, and what.
pub(super) struct Popular {
    customers: Zipf,
    products: Zipf,
    /// The places of what can be bought.
    on_sale: Vec<usize>,
}

impl Popular {
    pub(super) fn new(market: &Market, products: &[Product]) -> Self {
        let on_sale = products.iter().enumerate().filter(|(_, product)| product.stage == Stage::Published);
        let on_sale: Vec<usize> = on_sale.map(|(place, _)| place).collect();
        Self { customers: Zipf::new(market.customers - 1), products: Zipf::new(on_sale.len()), on_sale }
    }
}

pub(super) fn job(market: &Market, index: usize, plan: &Plan, products: &[Product], dice: &mut Dice) -> Job {
    let Plan { id, fate, customer, lines } = plan;
    let line =
        |(place, sku, quantity): &Line| json!({"product": products[*place].id, "sku": sku, "quantity": quantity});
    let wanted: Vec<_> = lines.iter().map(line).collect();
    let method = match fate {
        Fate::Declined => "pm_sim_declined",
        Fate::Unanswered => "pm_sim_action_required",
        Fate::NotCollected => "pm_sim_capture_declined",
        _ => "pm_sim_ok",
    };
    let body = json!({"order": id, "customer": market.customer_id(*customer), "lines": wanted,
                      "payment_method": method});
    let key = |step: &str| Uuid::new_v5(id, step.as_bytes());
    let ask = |name: &str, body: Option<serde_json::Value>| {
        let path = format!("/v1/orders/{id}/{name}");
        Step::Ask(match body {
            Some(body) => Request::post(path, key(name), &body),
            None => Request::bare(path, key(name)),
        })
    };
    let paid = Step::While { path: format!("/v1/orders/{id}"), field: "state", words: UNPAID };
    let tracking = format!("DEMO{:08}", dice.below(100_000_000));
    let sent = |lines: Option<serde_json::Value>| {
        let mut body = json!({"shipment": key("shipment"), "tracking": tracking});
        if let Some(lines) = lines {
            body["lines"] = lines;
        }
        ask("shipments", Some(body))
    };
    let mut steps = vec![Step::Ask(Request::post("/v1/orders", key("place"), &body))];
    match fate {
        Fate::Unanswered => {}
        Fate::Confirmed | Fate::Declined | Fate::SoldOut => steps.push(paid),
        Fate::Returned => steps.extend([paid, ask("cancel", Some(json!({"reason": "by_customer"})))]),
        Fate::PartlyShipped => {
            let (place, sku, _) = &lines[0];
            let one = json!([{"product": products[*place].id, "sku": sku, "quantity": 1}]);
            steps.extend([paid, sent(Some(one))]);
        }
        Fate::Shipped | Fate::NotCollected => steps.extend([paid, sent(None)]),
        Fate::Delivered => steps.extend([paid, sent(None), ask("deliver", None)]),
        Fate::Completed => steps.extend([paid, sent(None), ask("deliver", None), ask("complete", None)]),
    }
    Job { name: format!("order {}", index + 1), steps }
}
