//! What was bought: what can be asked of an order, and how it says no.

mod aggregate;
mod error;
mod lines;
mod live;
#[cfg(test)]
mod tests;

use chrono::NaiveDate;
use envelope::Timestamp;
use event_schemas::Money;
use event_schemas::ids::{AccountId, OrderId, ShipmentId};
use event_schemas::orders::{CancellationReason, OrderLine, ShippedLine};

pub use aggregate::{Order, Purchase};
pub use error::OrderError;
pub use lines::summed;
pub use live::{Live, Shipped, Stage};

/// How many pieces one order may have.
pub const UNITS_MAX: u32 = 1_000_000;
/// How much one order may cost, in minor units.
pub const TOTAL_MINOR_MAX: i64 = 100_000_000_000;
/// The years a purchase may be of.
pub const YEARS: std::ops::RangeInclusive<i32> = 1900..=2199;
/// How many lines an order may have.
pub const LINES_MAX: usize = 100;
/// In how many shipments it may be sent.
pub const SHIPMENTS_MAX: usize = 100;
/// How long the token of a payment method may be.
pub const PAYMENT_METHOD_CHARS_MAX: usize = 64;
/// How long the name of a parcel may be.
pub const TRACKING_CHARS_MAX: usize = 100;
/// How long an order waits for its payment.
pub const PAY_MINUTES: i64 = 30;
/// How long a paid order waits to be sent. Its reservation lasts longer.
pub const SHIP_DAYS: i64 = 28;
/// How long after its delivery an order completes by itself.
pub const COMPLETE_DAYS: i64 = 14;

/// What can be asked of an order.
#[derive(Clone, Debug, PartialEq)]
pub enum OrderCommand {
    /// Take in a purchase that was completed elsewhere.
    ImportOrder {
        /// Which order.
        order: OrderId,
        /// Who bought.
        customer: AccountId,
        /// The day of the purchase.
        ordered_on: NaiveDate,
        /// How many pieces.
        units: u32,
        /// What was paid for all of them.
        total: Money,
    },
    /// Buy.
    Place(Box<Placing>),
    /// Know that all of its pieces are kept for it.
    Reserve,
    /// Know that it is paid.
    Confirm {
        /// When.
        at: Timestamp,
    },
    /// Send pieces of it.
    Ship(Box<Shipping>),
    /// Know that everything arrived.
    Deliver {
        /// When.
        at: Timestamp,
    },
    /// Accept what was delivered.
    Complete,
    /// Do not deliver it. Where it is a deadline or another part of the market that asks, and too late, nothing
    /// happens; a person is told.
    Cancel {
        /// Why.
        reason: CancellationReason,
    },
}

/// What somebody buys.
#[derive(Clone, Debug, PartialEq)]
pub struct Placing {
    /// Which order.
    pub order: OrderId,
    /// Who buys.
    pub customer: AccountId,
    /// Who sells.
    pub seller: AccountId,
    /// What; lines of the same variant are added up.
    pub lines: Vec<OrderLine>,
    /// With what it is to be paid.
    pub payment_method: String,
    /// When it is asked for.
    pub at: Timestamp,
}

/// What is sent of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Shipping {
    /// Names the shipment, which acts once.
    pub shipment: ShipmentId,
    /// Which pieces; none stands for all that are left.
    pub lines: Vec<ShippedLine>,
    /// By what the carrier knows it.
    pub tracking: Option<String>,
}
