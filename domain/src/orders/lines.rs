//! Lines of an order: added up, counted and priced.

use std::collections::BTreeMap;

use event_schemas::ids::ProductId;
use event_schemas::orders::{OrderLine, ShippedLine};
use event_schemas::{Money, Sku};

use super::{LINES_MAX, OrderError, TOTAL_MINOR_MAX, UNITS_MAX};

/// One line for each variant, in an order of their own: so the same things always make the same order.
///
/// # Errors
/// If there is none or too many, a quantity is out of range, or a variant has two prices.
pub fn summed(lines: Vec<OrderLine>) -> Result<Vec<OrderLine>, OrderError> {
    if !(1..=LINES_MAX).contains(&lines.len()) {
        return Err(OrderError::BadLines);
    }
    let mut by_variant: BTreeMap<(ProductId, Sku), OrderLine> = BTreeMap::new();
    for line in lines {
        if !is_quantity(line.quantity) {
            return Err(OrderError::BadQuantity);
        }
        match by_variant.get_mut(&(line.product, line.sku.clone())) {
            None => _ = by_variant.insert((line.product, line.sku.clone()), line),
            Some(known) if known.unit_price == line.unit_price => known.quantity += line.quantity,
            Some(_) => return Err(OrderError::BadLines),
        }
    }
    let lines: Vec<_> = by_variant.into_values().collect();
    if units(&lines) > i64::from(UNITS_MAX) { Err(OrderError::BadUnits) } else { Ok(lines) }
}

/// What all lines cost.
pub(super) fn total(lines: &[OrderLine]) -> Result<Money, OrderError> {
    let currency = lines.first().ok_or(OrderError::BadLines)?.unit_price.currency;
    let mut amount_minor: i64 = 0;
    for line in lines {
        if line.unit_price.currency != currency {
            return Err(OrderError::SeveralCurrencies);
        }
        let price = line.unit_price.amount_minor.checked_mul(line.quantity);
        let sum = price.filter(|price| *price >= 0).and_then(|price| amount_minor.checked_add(price));
        amount_minor = sum.filter(|sum| *sum <= TOTAL_MINOR_MAX).ok_or(OrderError::BadTotal)?;
    }
    Ok(Money { amount_minor, currency })
}

/// How many pieces.
pub(super) fn units(lines: &[OrderLine]) -> i64 {
    lines.iter().fold(0, |sum: i64, line| sum.saturating_add(line.quantity))
}

/// How many pieces of each variant are sent; the same variant in two lines is added up.
pub(super) fn sent(lines: Vec<ShippedLine>) -> Result<Vec<ShippedLine>, OrderError> {
    if lines.len() > LINES_MAX {
        return Err(OrderError::BadLines);
    }
    let mut by_variant: BTreeMap<(ProductId, Sku), i64> = BTreeMap::new();
    for ShippedLine { product, sku, quantity } in lines {
        if !is_quantity(quantity) {
            return Err(OrderError::BadQuantity);
        }
        *by_variant.entry((product, sku)).or_default() += quantity;
    }
    let line = |((product, sku), quantity)| ShippedLine { product, sku, quantity };
    Ok(by_variant.into_iter().map(line).collect())
}

fn is_quantity(quantity: i64) -> bool {
    (1..=i64::from(UNITS_MAX)).contains(&quantity)
}
