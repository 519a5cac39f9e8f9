//! What was bought: what can be asked of an order, and how it says no.

mod aggregate;
#[cfg(test)]
mod tests;

use chrono::NaiveDate;
use event_schemas::Money;
use event_schemas::ids::{AccountId, OrderId};

pub use aggregate::{Order, Purchase};

use crate::{Kind, Refusal};

/// How many pieces one order may have.
pub const UNITS_MAX: u32 = 1_000_000;
/// How much one order may cost, in minor units.
pub const TOTAL_MINOR_MAX: i64 = 100_000_000_000;
/// The years a purchase may be of.
pub const YEARS: std::ops::RangeInclusive<i32> = 1900..=2199;

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
}

/// Why an order refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// There is one with this id and other content.
    #[error("an order with this id and other content was imported before")]
    AlreadyImported,
    /// Nothing was bought, or too much.
    #[error("an order has 1 to {UNITS_MAX} units")]
    BadUnits,
    /// A negative or absurd amount.
    #[error("the total of an order is 0 to {TOTAL_MINOR_MAX} minor units")]
    BadTotal,
    /// A day that no purchase can be of.
    #[error("the day of an order lies in the years {} to {}", YEARS.start(), YEARS.end())]
    BadDay,
}

impl Refusal for OrderError {
    fn kind(&self) -> Kind {
        match self {
            Self::AlreadyImported => Kind::Conflict,
            Self::BadUnits | Self::BadTotal | Self::BadDay => Kind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyImported => "order-exists",
            Self::BadUnits => "order-units-out-of-range",
            Self::BadTotal => "order-total-out-of-range",
            Self::BadDay => "order-day-out-of-range",
        }
    }
}
