//! What can be asked of the reservation of an order, and how it says no.

mod aggregate;
#[cfg(test)]
mod tests;

use envelope::Timestamp;
use event_schemas::ids::{OrderId, ReservationId};
use event_schemas::products::{DeclineReason, ReservedLine};

pub use aggregate::{Kept, Reservation};

use crate::{Kind, Refusal};

/// How many lines a reservation may have.
pub const RESERVED_LINES_MAX: usize = 100;

/// What can be asked of the reservation of an order. It goes with what is asked of the stock of each line, all or
/// nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum ReservationCommand {
    /// Keep all lines for an order.
    Make {
        /// Which reservation.
        reservation: ReservationId,
        /// For which order.
        order: OrderId,
        /// What, each variant once.
        lines: Vec<ReservedLine>,
        /// Until when they should be taken.
        until: Timestamp,
    },
    /// Note that they cannot be kept, unless they are.
    Decline {
        /// Which reservation.
        reservation: ReservationId,
        /// For which order.
        order: OrderId,
        /// Why.
        reason: DeclineReason,
        /// Those lines that are not to be had.
        lines: Vec<ReservedLine>,
    },
    /// Keep them no longer.
    Release,
    /// Hand them over.
    Commit,
}

/// Why a reservation refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReservationError {
    /// None, too many, or the same variant twice.
    #[error("a reservation has 1 to {RESERVED_LINES_MAX} lines, each of another variant")]
    BadLines,
    /// There is one with this id and other content.
    #[error("a reservation with this id and other content was made before")]
    AlreadyMade,
    /// It was answered before, and stays so.
    #[error("this reservation was declined before; reserve under a new id")]
    Declined,
    /// It cannot be used any more.
    #[error("this reservation was released before; reserve under a new id")]
    Released,
    /// It cannot be released any more.
    #[error("this reservation was committed before: its pieces are sold")]
    Committed,
    /// Nothing was reserved under this id.
    #[error("there is no such reservation")]
    NotFound,
}

impl Refusal for ReservationError {
    fn kind(&self) -> Kind {
        match self {
            Self::BadLines => Kind::Invalid,
            Self::NotFound => Kind::Missing,
            Self::AlreadyMade | Self::Declined | Self::Released | Self::Committed => Kind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::BadLines => "reservation-lines-invalid",
            Self::AlreadyMade => "reservation-exists",
            Self::Declined => "reservation-declined",
            Self::Released => "reservation-released",
            Self::Committed => "reservation-committed",
            Self::NotFound => "reservation-not-found",
        }
    }
}
