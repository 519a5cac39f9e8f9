//! How an order says no.

use super::{
    LINES_MAX, PAYMENT_METHOD_CHARS_MAX, SHIPMENTS_MAX, TOTAL_MINOR_MAX, TRACKING_CHARS_MAX, UNITS_MAX, YEARS,
};
use crate::{Kind, Refusal};

/// Why an order refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// There is one with this id and other content.
    #[error("there is an order with this id and other content")]
    AlreadyExists,
    /// Nothing was bought, or too much.
    #[error("an order has 1 to {UNITS_MAX} units")]
    BadUnits,
    /// A negative or absurd amount.
    #[error("the total of an order is 0 to {TOTAL_MINOR_MAX} minor units")]
    BadTotal,
    /// A day that no purchase can be of.
    #[error("the day of an order lies in the years {} to {}", YEARS.start(), YEARS.end())]
    BadDay,
    /// None, too many, or the same variant at two prices.
    #[error("an order has 1 to {LINES_MAX} lines, and each variant one price")]
    BadLines,
    /// None, less, or more than an order may have.
    #[error("a line has 1 to {UNITS_MAX} pieces")]
    BadQuantity,
    /// One payment has one currency.
    #[error("the lines are priced in several currencies; place an order for each")]
    SeveralCurrencies,
    /// Not the form of a token.
    #[error("a payment method is a token of 1 to {PAYMENT_METHOD_CHARS_MAX} letters, digits, `_` and `-`")]
    BadPaymentMethod,
    /// Too long or not printable.
    #[error("the name of a parcel has 1 to {TRACKING_CHARS_MAX} characters, none of them a control character")]
    BadTracking,
    /// Nothing was ordered under this id.
    #[error("there is no such order, or not yet: send the Consistency-Token of its answer")]
    NotFound,
    /// It was completed elsewhere, and nothing is to be done here.
    #[error("this order was completed elsewhere and imported: it is only known here")]
    Imported,
    /// It is cancelled, which is final.
    #[error("this order is cancelled; place another one")]
    Cancelled,
    /// It is not paid.
    #[error("this order is not paid yet; it can be sent as soon as it is confirmed")]
    NotConfirmed,
    /// It is on its way.
    #[error("pieces of this order were sent, so it cannot be cancelled any more; ask for a return")]
    AlreadyShipped,
    /// More than are left of a line, or of something that was not ordered.
    #[error("more pieces than are left to be sent, or of something that was not ordered")]
    NotThatMany,
    /// Nothing is left.
    #[error("everything was sent")]
    NothingLeft,
    /// There is a shipment with this id and other content.
    #[error("there is a shipment with this id and other content; take a new id for a new shipment")]
    ShipmentExists,
    /// Too many parcels.
    #[error("an order is sent in at most {SHIPMENTS_MAX} shipments")]
    TooManyShipments,
    /// Not all was sent.
    #[error("not everything was sent, so not everything can have arrived; ship the rest first")]
    NotShipped,
    /// It has not arrived.
    #[error("this order was not delivered yet; say that it was, or wait")]
    NotDelivered,
}

impl Refusal for OrderError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound => Kind::Missing,
            Self::BadUnits
            | Self::BadTotal
            | Self::BadDay
            | Self::BadLines
            | Self::BadQuantity
            | Self::SeveralCurrencies
            | Self::BadPaymentMethod
            | Self::BadTracking => Kind::Invalid,
            Self::AlreadyExists
            | Self::Imported
            | Self::Cancelled
            | Self::NotConfirmed
            | Self::AlreadyShipped
            | Self::NotThatMany
            | Self::NothingLeft
            | Self::ShipmentExists
            | Self::TooManyShipments
            | Self::NotShipped
            | Self::NotDelivered => Kind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyExists => "order-exists",
            Self::BadUnits => "order-units-out-of-range",
            Self::BadTotal => "order-total-out-of-range",
            Self::BadDay => "order-day-out-of-range",
            Self::BadLines => "order-lines-invalid",
            Self::BadQuantity => "order-quantity-out-of-range",
            Self::SeveralCurrencies => "order-several-currencies",
            Self::BadPaymentMethod => "order-payment-method-invalid",
            Self::BadTracking => "order-tracking-invalid",
            Self::NotFound => "order-not-found",
            Self::Imported => "order-imported",
            Self::Cancelled => "order-cancelled",
            Self::NotConfirmed => "order-not-confirmed",
            Self::AlreadyShipped => "order-shipped",
            Self::NotThatMany => "order-not-that-many",
            Self::NothingLeft => "order-nothing-left",
            Self::ShipmentExists => "order-shipment-exists",
            Self::TooManyShipments => "order-shipments-too-many",
            Self::NotShipped => "order-not-shipped",
            Self::NotDelivered => "order-not-delivered",
        }
    }
}
