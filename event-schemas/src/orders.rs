//! What can happen to an order. Names and fields here are stored and published for ever: add, never change.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, OrderId};
use crate::upcast::{Upcast, upcast};
use crate::versions::versions;
use crate::{Currency, Money};

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
}

versions!(OrderEvent { OrderImported: 2 });

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
