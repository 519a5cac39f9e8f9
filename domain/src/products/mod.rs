//! What is sold, and how much of it is there.

mod product;
mod reservation;
mod stock;

use envelope::Timestamp;

pub use crate::text::{REASON_CHARS_MAX, TITLE_CHARS_MAX};
pub use product::{
    CATEGORIES_MAX, Changes, DESCRIPTION_CHARS_MAX, Draft, Drafted, Edit, LEASE_HOURS_MAX, Lease, Offer,
    PRICE_MINOR_MAX, Product, ProductCommand, ProductError, Shown, Stage, VARIANTS_MAX,
};
pub use reservation::{Kept, RESERVED_LINES_MAX, Reservation, ReservationCommand, ReservationError};
pub use stock::{
    FINISHED_MAX, Finished, Held, ON_HAND_MAX, OPEN_MAX, Pieces, QUANTITY_MAX, RESERVATION_DAYS_MAX, Stock,
    StockCommand, StockError,
};

const HOUR_MICROS: i64 = 3_600_000_000;

/// Whether a time lies ahead, but not further than that.
fn is_ahead(at: Timestamp, until: Timestamp, hours_max: i64) -> bool {
    let ahead_micros = until.micros().saturating_sub(at.micros());
    (1..=hours_max.saturating_mul(HOUR_MICROS)).contains(&ahead_micros)
}
