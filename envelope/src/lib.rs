//! What travels with every event: where it stands, what caused it, and which of its fields are sealed.
//!
//! A leaf crate without a market word in it, so that the event store, the platform and the published schemas can share
//! these types without knowing each other.

mod cause;
mod id;
mod position;
mod recorded;
mod sealed;
pub mod tagged;
mod timestamp;

pub use cause::Cause;
pub use position::{History, Position};
pub use recorded::Recorded;
pub use sealed::{OpenError, Sealed, SubjectKey};
pub use timestamp::Timestamp;

/// Used by [`id!`]; not part of the interface.
#[doc(hidden)]
pub use {schemars, serde, uuid};
