//! Payments: what people may ask over HTTP, what is shown, and what the simulated provider does for each method token.

mod http;
mod simulator;
pub(crate) mod till;
mod tokens;

use domain::payments::PaymentCommand;
use event_schemas::ids::{AccountId, OperationId, OrderId, PaymentId};
use event_schemas::{Currency, Money};
use uuid::Uuid;

pub(crate) fn payment(number: u128) -> PaymentId {
    PaymentId(Uuid::from_u128((0xe << 120) + number))
}

pub(crate) fn order(number: u128) -> OrderId {
    OrderId(Uuid::from_u128((0xf << 120) + number))
}

pub(crate) fn operation(number: u128) -> OperationId {
    OperationId(Uuid::from_u128((0xa << 120) + number))
}

pub(crate) fn usd(amount_minor: i64) -> Money {
    Money { amount_minor, currency: Currency::USD }
}

/// An authorization of 10.00 USD for the order of the same number, as the operation of ten times that number.
pub(crate) fn authorize(number: u128, method: &str) -> PaymentCommand {
    PaymentCommand::Authorize {
        payment: payment(number),
        order: order(number),
        payer: AccountId(Uuid::from_u128(1)),
        amount: usd(1000),
        method: method.to_owned(),
        operation: operation(10 * number),
    }
}
