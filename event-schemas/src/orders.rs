//! What can happen to an order. Names and fields here are stored and published for ever: add, never change.

use chrono::NaiveDate;
use envelope::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, OrderId, ProductId, ShipmentId};
use crate::upcast::{Upcast, upcast};
use crate::versions::versions;
use crate::{Currency, Money, Sku};

/// One thing that was ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderLine {
    /// Which product.
    pub product: ProductId,
    /// Which of its variants.
    pub sku: Sku,
    /// What it was called when it was ordered.
    pub title: String,
    /// How many pieces.
    pub quantity: i64,
    /// What one piece cost when it was ordered.
    pub unit_price: Money,
}

/// Pieces of one line that were sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShippedLine {
    /// Of which product.
    pub product: ProductId,
    /// Of which of its variants.
    pub sku: Sku,
    /// How many pieces.
    pub quantity: i64,
}

/// Why an order was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancellationReason {
    /// Who bought does not want it any more.
    ByCustomer,
    /// Who sells cannot or will not deliver.
    BySeller,
    /// Not all of it was there.
    OutOfStock,
    /// What was ordered is not sold any more, or not at that price.
    OfferChanged,
    /// The payment was declined.
    PaymentFailed,
    /// The payment did not come in time.
    PaymentExpired,
    /// It was not sent in time.
    NotShipped,
}

/// How far an order had come when it was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancelledStage {
    /// Nothing was reserved yet.
    Placed,
    /// Its pieces were reserved, and a payment was asked for.
    Reserved,
    /// It was paid.
    Confirmed,
}

/// What can happen to an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum OrderEvent {
    /// A purchase that was completed elsewhere is known here from now on. It triggers nothing.
    OrderImported {
        /// Which order.
        order: OrderId,
        /// Who bought.
        customer: AccountId,
        /// The day of the purchase, which may be long before it was imported.
        ordered_on: NaiveDate,
        /// How many pieces.
        units: u32,
        /// What was paid for all of them.
        total: Money,
    },
    /// Somebody wants to buy. Nothing is reserved or paid yet.
    OrderPlaced {
        /// Which order.
        order: OrderId,
        /// Who buys.
        customer: AccountId,
        /// Who sells.
        seller: AccountId,
        /// The day, in UTC.
        ordered_on: NaiveDate,
        /// What, each variant once.
        lines: Vec<OrderLine>,
        /// What all of it costs.
        total: Money,
        /// With what it is to be paid: a token of the payment provider, never a number of a card.
        payment_method: String,
        /// Until when it has to be paid.
        pay_until: Timestamp,
    },
    /// All of its pieces are kept for it. Now it is to be paid.
    OrderReserved {
        /// Who pays.
        customer: AccountId,
        /// How much.
        total: Money,
        /// With what: a token of the payment provider.
        payment_method: String,
    },
    /// It is paid, so that it can be sent.
    OrderConfirmed {
        /// Until when it has to be sent.
        ship_until: Timestamp,
    },
    /// Pieces of it were sent.
    OrderShipped {
        /// Names the shipment.
        shipment: ShipmentId,
        /// Which pieces.
        lines: Vec<ShippedLine>,
        /// By what the carrier knows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tracking: Option<String>,
        /// Nothing of the order is left to be sent.
        whole: bool,
        /// What the whole order costs.
        total: Money,
    },
    /// Everything arrived.
    OrderDelivered {
        /// When it completes by itself, unless somebody objects.
        complete_at: Timestamp,
    },
    /// Nobody objected: it is sold.
    OrderCompleted {
        /// Who bought.
        customer: AccountId,
        /// The day it was placed, in UTC.
        ordered_on: NaiveDate,
        /// How many pieces.
        units: i64,
        /// What was paid for all of them.
        total: Money,
    },
    /// It will not be delivered.
    OrderCancelled {
        /// Why.
        reason: CancellationReason,
        /// How far it had come.
        stage: CancelledStage,
        /// What it would have cost.
        total: Money,
    },
}

versions!(OrderEvent {
    OrderImported: 2,
    OrderPlaced: 1,
    OrderReserved: 1,
    OrderConfirmed: 1,
    OrderShipped: 1,
    OrderDelivered: 1,
    OrderCompleted: 1,
    OrderCancelled: 1,
});

pub(crate) const UPCASTS: &[Upcast] =
    &[Upcast { event_type: "OrderImported", from: 1, fields: upcast::<OrderImportedV1, OrderImportedV2> }];

/// `OrderImported` before orders knew other currencies than the US dollar.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct OrderImportedV1 {
    /// Which order.
    order: OrderId,
    /// Who bought.
    customer: AccountId,
    /// The day of the purchase, which may be long before it was imported.
    ordered_on: NaiveDate,
    /// How many pieces.
    units: u32,
    /// What was paid for all of them, in US cents.
    total_cents: i64,
}

/// The fields of version 2, as an upcaster writes them.
#[derive(Serialize)]
struct OrderImportedV2 {
    order: OrderId,
    customer: AccountId,
    ordered_on: NaiveDate,
    units: u32,
    total: Money,
}

impl From<OrderImportedV1> for OrderImportedV2 {
    fn from(old: OrderImportedV1) -> Self {
        let OrderImportedV1 { order, customer, ordered_on, units, total_cents } = old;
        let total = Money { amount_minor: total_cents, currency: Currency::USD };
        Self { order, customer, ordered_on, units, total }
    }
}
