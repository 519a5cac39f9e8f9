//! What follows from an event elsewhere in the market: pure functions from what happened to what is to be done.
//!
//! A policy remembers nothing. What a process has to remember, an aggregate remembers, and says it in its events; what
//! comes too late or twice, the aggregate that is asked answers with nothing. So a policy can be run again over the
//! same events and asks for the same things, under the same names.

mod order_fulfilment;
mod reservation_expiry;
#[cfg(test)]
mod tests;

use envelope::{Recorded, Timestamp};
use event_schemas::ids::{OrderId, PaymentId, ProductId, ReservationId};
use event_schemas::orders::CancellationReason;
use event_schemas::{Context, Event, Money, Sku};
use serde::{Deserialize, Serialize};

use crate::payments::PaymentCommand;

/// Every policy there is, by name.
pub const POLICIES: &[Policy] = &[order_fulfilment::POLICY, reservation_expiry::POLICY];

/// One policy.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Names it for ever: what it has sent is known by it.
    pub name: &'static str,
    /// Where its events come from.
    pub contexts: &'static [Context],
    /// What follows from an event.
    pub react: fn(&Recorded<Event>) -> Vec<Reaction>,
}

/// One thing that follows from an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Reaction {
    /// Ask for something now.
    Dispatch(Dispatch),
    /// Ask for something later, unless it is forgotten before. The same timer about the same thing is set anew.
    Remind(Timer),
    /// What was to be asked for later is not, if it was not yet.
    Forget {
        /// Which timer.
        timer: &'static str,
        /// About what.
        about: String,
    },
}

/// Something that is to be asked for later.
#[derive(Clone, Debug, PartialEq)]
pub struct Timer {
    /// Names it within its policy.
    pub name: &'static str,
    /// About what it is: type and id of an aggregate, such as `order/018f…`.
    pub about: String,
    /// Why it is set, for people.
    pub why: &'static str,
    /// When.
    pub due: Timestamp,
    /// What is asked for then.
    pub dispatch: Dispatch,
}

/// A command of a policy. It is stored until it is answered, so its form is read by later versions of the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dispatch {
    /// To an order.
    Order {
        /// Which.
        order: OrderId,
        /// What.
        ask: OrderAsk,
    },
    /// To a payment.
    Payment {
        /// Which.
        payment: PaymentId,
        /// What.
        ask: PaymentCommand,
    },
    /// To the reservation of an order and the stock of its lines.
    Reservation {
        /// Which.
        reservation: ReservationId,
        /// What.
        ask: ReservationAsk,
    },
    /// To the stock of a variant.
    Stock {
        /// Of which product.
        product: ProductId,
        /// Of which of its variants.
        sku: Sku,
        /// What.
        ask: StockAsk,
    },
}

/// What a policy asks of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderAsk {
    /// See [`crate::orders::OrderCommand::Reserve`].
    Reserve,
    /// See [`crate::orders::OrderCommand::Confirm`].
    Confirm,
    /// See [`crate::orders::OrderCommand::Complete`].
    Complete,
    /// See [`crate::orders::OrderCommand::Cancel`].
    Cancel {
        /// Why.
        reason: CancellationReason,
    },
}

/// What a policy asks of a reservation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReservationAsk {
    /// Keep all lines, or none and say why. It is answered by an event either way.
    Make {
        /// For which order.
        order: OrderId,
        /// What, each variant once.
        lines: Vec<WantedLine>,
    },
    /// See [`crate::products::ReservationCommand::Release`].
    Release,
    /// See [`crate::products::ReservationCommand::Commit`].
    Commit,
}

/// Pieces that an order wants, at the price that was agreed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WantedLine {
    /// Of which product.
    pub product: ProductId,
    /// Of which of its variants.
    pub sku: Sku,
    /// How many.
    pub quantity: i64,
    /// What one piece costs.
    pub unit_price: Money,
}

/// What a policy asks of the stock of a variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StockAsk {
    /// See [`crate::products::StockCommand::Lapse`].
    Lapse {
        /// Which reservation.
        reservation: ReservationId,
    },
}

impl Dispatch {
    /// Type and id of the aggregate that is asked. What is asked of one is asked in the order of what led to it.
    #[must_use]
    pub fn target(&self) -> (&'static str, String) {
        match self {
            Self::Order { order, .. } => ("order", order.to_string()),
            Self::Payment { payment, .. } => ("payment", payment.to_string()),
            Self::Reservation { reservation, .. } => ("reservation", reservation.to_string()),
            Self::Stock { product, sku, .. } => ("stock", format!("{product}/{sku}")),
        }
    }

    /// The context that is asked.
    #[must_use]
    pub const fn context(&self) -> Context {
        match self {
            Self::Order { .. } => Context::Orders,
            Self::Payment { .. } => Context::Payments,
            Self::Reservation { .. } | Self::Stock { .. } => Context::Products,
        }
    }
}

/// Shorthand for what most policies answer.
fn ask(dispatch: Dispatch) -> Reaction {
    Reaction::Dispatch(dispatch)
}
