//! An order of a shop is a purchase that was completed elsewhere.

use domain::orders::{Order, OrderCommand};
use event_schemas::ids::{AccountId, OrderId};
use event_schemas::{Currency, Money};
use serde_json::json;

use super::groups::{Bad, Group};
use super::plan::{Counts, Shop, Thing, at, needed};
use super::{amounts, days};
use crate::client::{Request, Step};

pub(super) fn thing(shop: &Shop, group: &Group) -> Result<Thing, Bad> {
    let order = shop.id_of("order", &group.id);
    let (line, currency) = needed(shop, group, "currency")?;
    let currency: Currency = at(line, currency.parse())?;
    let (_, customer) = needed(shop, group, "customer")?;
    let customer = shop.account(&customer);
    let (line, date) = needed(shop, group, "date")?;
    let ordered_on = at(line, days::day(&date, shop.date_format.as_deref()))?;
    let (units, sum) = lines(shop, group, currency)?;
    let amount_minor = match sum {
        Some(sum) => sum,
        None => total(shop, group, currency)?,
    };
    let units = at(group.line(), u32::try_from(units).map_err(|_| "more pieces than an order can have"))?;
    let total = Money { amount_minor, currency };
    let (id, account) = (OrderId(order), AccountId(customer));
    let asked = OrderCommand::ImportOrder { order: id, customer: account, ordered_on, units, total };
    at(group.line(), Order::default().decide(asked))?;
    let body = json!({"order": order, "customer": customer, "ordered_on": ordered_on, "units": units,
                      "total": {"amount_minor": amount_minor, "currency": currency}});
    let steps = vec![Step::Ask(Request::post("/v1/orders/import", shop.key(order, "import"), &body))];
    let counts = Counts { parts: group.rows.len() as u64, pieces: u64::from(units) };
    Ok(Thing { steps, body, counts })
}

/// The pieces of all lines, and what they cost where each line says what a piece does.
fn lines(shop: &Shop, group: &Group, currency: Currency) -> Result<(i64, Option<i64>), Bad> {
    let too_much = |line| Bad { line, why: "more than an order can be worth".to_owned() };
    let (mut units, mut sum): (i64, Option<i64>) = (0, shop.mapping.fills("price").then_some(0));
    for (line, row) in &group.rows {
        let Some(text) = shop.mapping.cell(row, "units") else { continue };
        let pieces = at(*line, amounts::bought(&text))?;
        units = units.checked_add(pieces).ok_or_else(|| too_much(*line))?;
        let Some(so_far) = sum else { continue };
        let no_price = || Bad { line: *line, why: format!("`{}` has no price", group.id) };
        let price = shop.mapping.cell(row, "price").ok_or_else(no_price)?;
        let price = at(*line, amounts::minor_units(&price, currency, shop.decimal_mark))?;
        let more = price.checked_mul(pieces).and_then(|more| so_far.checked_add(more));
        sum = Some(more.ok_or_else(|| too_much(*line))?);
    }
    Ok((units, sum))
}

fn total(shop: &Shop, group: &Group, currency: Currency) -> Result<i64, Bad> {
    if shop.mapping.fills("total_minor") {
        let (line, text) = needed(shop, group, "total_minor")?;
        return at(line, amounts::whole(&text));
    }
    let (line, text) = needed(shop, group, "total")?;
    at(line, amounts::minor_units(&text, currency, shop.decimal_mark))
}
