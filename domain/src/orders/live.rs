//! An order that is placed here, from its placing to its end.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use envelope::Timestamp;
use event_schemas::ids::{AccountId, ShipmentId};
use event_schemas::orders::{CancellationReason, CancelledStage, OrderEvent, OrderLine, ShippedLine};
use event_schemas::{Money, Sku};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    COMPLETE_DAYS, LINES_MAX, OrderError, PAY_MINUTES, PAYMENT_METHOD_CHARS_MAX, Placing, SHIP_DAYS, SHIPMENTS_MAX,
    Shipping, TRACKING_CHARS_MAX, lines,
};

const MINUTE_MICROS: i64 = 60_000_000;
const DAY_MICROS: i64 = 24 * 60 * MINUTE_MICROS;

/// What `decide` asks about of an order that was placed here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Live {
    /// Who buys.
    pub customer: AccountId,
    /// Who sells.
    pub seller: AccountId,
    /// The day it was placed, in UTC.
    pub ordered_on: NaiveDate,
    /// What, each variant once.
    pub lines: Vec<OrderLine>,
    /// What all of it costs.
    pub total: Money,
    /// With what it is to be paid.
    pub payment_method: String,
    /// How far it has come.
    pub stage: Stage,
    /// What was sent, by shipment.
    pub shipments: BTreeMap<ShipmentId, Shipped>,
}

/// One shipment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shipped {
    /// Which pieces.
    pub lines: Vec<ShippedLine>,
    /// By what the carrier knows it.
    pub tracking: Option<String>,
}

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Stage {
    /// It waits for its pieces.
    Placed,
    /// It waits for its payment.
    Reserved,
    /// It is paid and waits to be sent, perhaps the rest of it.
    Confirmed,
    /// Everything is on its way.
    Shipped,
    /// Everything arrived.
    Delivered,
    /// It is sold.
    Completed,
    /// It will not be delivered.
    Cancelled,
}

/// The event with which an order begins.
pub(super) fn place(placing: Placing) -> Result<OrderEvent, OrderError> {
    let Placing { order, customer, seller, lines, payment_method, at } = placing;
    let lines = lines::summed(lines)?;
    let total = lines::total(&lines)?;
    if !is_token(&payment_method) {
        return Err(OrderError::BadPaymentMethod);
    }
    let (ordered_on, pay_until) = (at.utc().date_naive(), later(at, PAY_MINUTES * MINUTE_MICROS));
    Ok(OrderEvent::OrderPlaced { order, customer, seller, ordered_on, lines, total, payment_method, pay_until })
}

impl Live {
    /// Placed again. When it is asked for is not compared, because a repeat is later.
    pub(super) fn place(&self, again: Placing) -> Result<Vec<OrderEvent>, OrderError> {
        let Placing { customer, seller, lines, payment_method, .. } = again;
        let same = (customer, seller) == (self.customer, self.seller)
            && payment_method == self.payment_method
            && lines::summed(lines)? == self.lines;
        if same { Ok(vec![]) } else { Err(OrderError::AlreadyExists) }
    }

    pub(super) fn reserve(&self) -> Vec<OrderEvent> {
        let (customer, total, payment_method) = (self.customer, self.total, self.payment_method.clone());
        match self.stage {
            Stage::Placed => vec![OrderEvent::OrderReserved { customer, total, payment_method }],
            Stage::Reserved
            | Stage::Confirmed
            | Stage::Shipped
            | Stage::Delivered
            | Stage::Completed
            | Stage::Cancelled => vec![],
        }
    }

    /// A payment that comes after the cancellation changes nothing here: whoever cancelled gives it back.
    pub(super) fn confirm(&self, at: Timestamp) -> Vec<OrderEvent> {
        match self.stage {
            Stage::Reserved => vec![OrderEvent::OrderConfirmed { ship_until: later(at, SHIP_DAYS * DAY_MICROS) }],
            Stage::Placed
            | Stage::Confirmed
            | Stage::Shipped
            | Stage::Delivered
            | Stage::Completed
            | Stage::Cancelled => vec![],
        }
    }

    pub(super) fn ship(&self, shipping: Shipping) -> Result<Vec<OrderEvent>, OrderError> {
        let Shipping { shipment, lines, tracking } = shipping;
        let lines = lines::sent(lines)?;
        if tracking.as_deref().is_some_and(|tracking| !is_tracking(tracking)) {
            return Err(OrderError::BadTracking);
        }
        if let Some(known) = self.shipments.get(&shipment) {
            let same = (lines.is_empty() || lines == known.lines) && tracking == known.tracking;
            return if same { Ok(vec![]) } else { Err(OrderError::ShipmentExists) };
        }
        match self.stage {
            Stage::Placed | Stage::Reserved => return Err(OrderError::NotConfirmed),
            Stage::Shipped | Stage::Delivered | Stage::Completed => return Err(OrderError::NothingLeft),
            Stage::Cancelled => return Err(OrderError::Cancelled),
            Stage::Confirmed => {}
        }
        if self.shipments.len() >= SHIPMENTS_MAX {
            return Err(OrderError::TooManyShipments);
        }
        let left = self.left();
        let lines = if lines.is_empty() { left.clone() } else { lines };
        let is_left =
            |sent: &ShippedLine| left.iter().any(|line| is_same(line, sent) && line.quantity >= sent.quantity);
        if !lines.iter().all(is_left) {
            return Err(OrderError::NotThatMany);
        }
        let whole = count(&lines) == count(&left);
        Ok(vec![OrderEvent::OrderShipped { shipment, lines, tracking, whole, total: self.total }])
    }

    pub(super) fn deliver(&self, at: Timestamp) -> Result<Vec<OrderEvent>, OrderError> {
        match self.stage {
            Stage::Shipped => {
                Ok(vec![OrderEvent::OrderDelivered { complete_at: later(at, COMPLETE_DAYS * DAY_MICROS) }])
            }
            Stage::Delivered | Stage::Completed => Ok(vec![]),
            Stage::Placed | Stage::Reserved => Err(OrderError::NotConfirmed),
            Stage::Confirmed => Err(OrderError::NotShipped),
            Stage::Cancelled => Err(OrderError::Cancelled),
        }
    }

    pub(super) fn complete(&self) -> Result<Vec<OrderEvent>, OrderError> {
        let (customer, ordered_on, total) = (self.customer, self.ordered_on, self.total);
        let units = lines::units(&self.lines);
        match self.stage {
            Stage::Delivered => Ok(vec![OrderEvent::OrderCompleted { customer, ordered_on, units, total }]),
            Stage::Completed => Ok(vec![]),
            Stage::Cancelled => Err(OrderError::Cancelled),
            Stage::Placed | Stage::Reserved | Stage::Confirmed | Stage::Shipped => Err(OrderError::NotDelivered),
        }
    }

    pub(super) fn cancel(&self, reason: CancellationReason) -> Result<Vec<OrderEvent>, OrderError> {
        use CancellationReason::{
            ByCustomer, BySeller, NotShipped, OfferChanged, OutOfStock, PaymentExpired, PaymentFailed,
        };
        let sent = !self.shipments.is_empty();
        let stage = match self.stage {
            Stage::Placed => CancelledStage::Placed,
            Stage::Reserved => CancelledStage::Reserved,
            Stage::Confirmed if !sent => CancelledStage::Confirmed,
            Stage::Cancelled => return Ok(vec![]),
            Stage::Confirmed | Stage::Shipped | Stage::Delivered | Stage::Completed => {
                return match reason {
                    ByCustomer | BySeller => Err(OrderError::AlreadyShipped),
                    OutOfStock | OfferChanged | PaymentFailed | PaymentExpired | NotShipped => Ok(vec![]),
                };
            }
        };
        let counts = match reason {
            ByCustomer | BySeller => true,
            OutOfStock | OfferChanged => stage == CancelledStage::Placed,
            PaymentFailed | PaymentExpired => stage != CancelledStage::Confirmed,
            NotShipped => stage == CancelledStage::Confirmed,
        };
        Ok(if counts { vec![OrderEvent::OrderCancelled { reason, stage, total: self.total }] } else { vec![] })
    }

    /// What was not sent yet of each line.
    #[must_use]
    pub fn left(&self) -> Vec<ShippedLine> {
        let sent = |line: &OrderLine| -> i64 {
            let all = self.shipments.values().flat_map(|shipped| &shipped.lines);
            all.filter(|sent| (sent.product, &sent.sku) == (line.product, &line.sku)).map(|sent| sent.quantity).sum()
        };
        let left = |line: &OrderLine| {
            let quantity = line.quantity.saturating_sub(sent(line));
            ShippedLine { product: line.product, sku: line.sku.clone(), quantity }
        };
        self.lines.iter().map(left).filter(|line| line.quantity > 0).collect()
    }

    /// What happened after the placing. Never refused, whatever the state.
    pub(super) fn evolve(&mut self, event: OrderEvent) {
        match event {
            OrderEvent::OrderImported { .. } | OrderEvent::OrderPlaced { .. } => {}
            OrderEvent::OrderReserved { .. } => self.stage = Stage::Reserved,
            OrderEvent::OrderConfirmed { .. } => self.stage = Stage::Confirmed,
            OrderEvent::OrderShipped { shipment, lines, tracking, whole, .. } => {
                if self.shipments.len() < SHIPMENTS_MAX {
                    self.shipments.insert(shipment, Shipped { lines, tracking });
                }
                self.stage = if whole { Stage::Shipped } else { Stage::Confirmed };
            }
            OrderEvent::OrderDelivered { .. } => self.stage = Stage::Delivered,
            OrderEvent::OrderCompleted { .. } => self.stage = Stage::Completed,
            OrderEvent::OrderCancelled { .. } => self.stage = Stage::Cancelled,
        }
    }
}

fn is_same(line: &ShippedLine, other: &ShippedLine) -> bool {
    let of = |line: &ShippedLine| -> (_, Sku) { (line.product, line.sku.clone()) };
    of(line) == of(other)
}

fn count(lines: &[ShippedLine]) -> i64 {
    lines.iter().take(LINES_MAX).fold(0, |sum: i64, line| sum.saturating_add(line.quantity))
}

/// As payment providers name what somebody pays with. A number of a card is no such token if it is written as people
/// write it, and is refused by every provider.
fn is_token(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    plain && (1..=PAYMENT_METHOD_CHARS_MAX).contains(&text.len())
}

fn is_tracking(text: &str) -> bool {
    let printable = text.chars().all(|c| !c.is_control()) && !text.trim().is_empty();
    printable && text.chars().count() <= TRACKING_CHARS_MAX
}

/// So many microseconds later, within the calendar.
fn later(at: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(at.micros().saturating_add(micros)).unwrap_or(at)
}
