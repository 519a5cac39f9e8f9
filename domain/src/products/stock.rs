//! What can be asked of the stock of a variant, and how it says no.

mod aggregate;
#[cfg(test)]
mod tests;

use envelope::Timestamp;
use event_schemas::Sku;
use event_schemas::ids::{ProductId, ReservationId};

pub use aggregate::{Finished, Held, Pieces, Stock};

use crate::text::REASON_CHARS_MAX;
use crate::{Kind, Refusal};

/// How many pieces one step may move.
pub const QUANTITY_MAX: i64 = 1_000_000;
/// How many pieces of a variant may be there.
pub const ON_HAND_MAX: i64 = 1_000_000_000;
/// How far ahead a reservation may end.
pub const RESERVATION_DAYS_MAX: i64 = 30;
/// How many reservations of a variant may be open.
pub const OPEN_MAX: usize = 10_000;
/// How many reservations of a variant are remembered after they were released or committed.
///
/// So the state stays bounded however much is sold. Who repeats a request does so within seconds, and with the same
/// Idempotency-Key gets the same answer for a day anyway; by then ten thousand others would have to have been finished.
pub const FINISHED_MAX: usize = 10_000;

/// What can be asked of the stock of a variant.
#[derive(Clone, Debug, PartialEq)]
pub enum StockCommand {
    /// Take in pieces.
    Receive {
        /// Of which product.
        product: ProductId,
        /// Of which of its variants.
        sku: Sku,
        /// How many.
        quantity: i64,
    },
    /// Correct how many there are.
    Adjust {
        /// How many more, or fewer if negative.
        change: i64,
        /// Why.
        reason: String,
    },
    /// Keep pieces for somebody.
    Reserve {
        /// Under which reservation.
        reservation: ReservationId,
        /// How many.
        quantity: i64,
        /// Until when they should be taken. Whoever keeps the time lets the reservation lapse then.
        until: Timestamp,
        /// When it is asked for.
        at: Timestamp,
    },
    /// Keep them no longer.
    Release {
        /// Which reservation.
        reservation: ReservationId,
    },
    /// Hand them over.
    Commit {
        /// Which reservation.
        reservation: ReservationId,
    },
    /// Keep them no longer because their time is over. If they were sold or given back meanwhile, nothing happens.
    Lapse {
        /// Which reservation.
        reservation: ReservationId,
    },
}

/// Why the stock of a variant refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StockError {
    /// Nothing ever came in.
    #[error("nothing of this variant was ever received; receive some first, or look whether product and sku are right")]
    NotFound,
    /// None, less, or absurdly many.
    #[error("a quantity is 1 to {QUANTITY_MAX}")]
    BadQuantity,
    /// None, or absurdly many.
    #[error("a change is 1 to {QUANTITY_MAX} pieces, up or down")]
    BadChange,
    /// Empty, too long or not printable.
    #[error("a reason has 1 to {REASON_CHARS_MAX} characters, not only blanks and none of them a control character")]
    BadReason,
    /// It would be over at once, or too late.
    #[error("a reservation ends in the future, at most {RESERVATION_DAYS_MAX} days ahead")]
    BadEnd,
    /// More than can be counted sensibly.
    #[error("no more than {ON_HAND_MAX} pieces of a variant can be on hand")]
    Full,
    /// What is reserved must be there.
    #[error("{reserved} pieces are reserved, so there cannot be fewer on hand; release reservations first")]
    BelowReserved {
        /// How many.
        reserved: i64,
    },
    /// Others have them, or nobody.
    #[error("only {available} pieces are available; reserve fewer, or wait until more come in or are released")]
    NotEnough {
        /// How many are neither reserved nor sold.
        available: i64,
    },
    /// Too many at once.
    #[error("{OPEN_MAX} reservations of this variant are open, which is as many as there may be; finish some")]
    TooManyOpen,
    /// There is one with this id and other content.
    #[error("a reservation with this id and another quantity or end is open")]
    AlreadyReserved,
    /// Each acts once.
    #[error("this reservation was released or committed before and acts once; take a new id")]
    AlreadyFinished,
    /// Nothing was reserved under this id, or it was finished long ago.
    #[error("no such reservation is open, or was finished lately")]
    NoReservation,
    /// It cannot be released any more.
    #[error("this reservation was committed before: its pieces are sold; receive them if they came back")]
    AlreadyCommitted,
    /// It cannot be committed any more.
    #[error("this reservation was released before: its pieces may be somebody else's; reserve again under a new id")]
    AlreadyReleased,
}

impl Refusal for StockError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound | Self::NoReservation => Kind::Missing,
            Self::BadQuantity | Self::BadChange | Self::BadReason | Self::BadEnd => Kind::Invalid,
            Self::Full
            | Self::BelowReserved { .. }
            | Self::NotEnough { .. }
            | Self::TooManyOpen
            | Self::AlreadyReserved
            | Self::AlreadyFinished
            | Self::AlreadyCommitted
            | Self::AlreadyReleased => Kind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "stock-not-found",
            Self::BadQuantity => "stock-quantity-out-of-range",
            Self::BadChange => "stock-change-out-of-range",
            Self::BadReason => "stock-reason-invalid",
            Self::BadEnd => "stock-reservation-end-out-of-range",
            Self::Full => "stock-full",
            Self::BelowReserved { .. } => "stock-below-reserved",
            Self::NotEnough { .. } => "stock-not-enough",
            Self::TooManyOpen => "stock-reservations-too-many",
            Self::AlreadyReserved => "stock-reservation-exists",
            Self::AlreadyFinished => "stock-reservation-finished",
            Self::NoReservation => "stock-reservation-not-found",
            Self::AlreadyCommitted => "stock-reservation-committed",
            Self::AlreadyReleased => "stock-reservation-released",
        }
    }
}
