//! Events for receivers outside, in the form of Standard Webhooks: signed, repeated until they are taken, and in order
//! for each aggregate.
//!
//! One process leads. It reads the stores by position for each subscription, notes what is to be delivered in the
//! transaction that moves the subscription's place, and delivers from there. A receiver may get an event twice, under
//! the same `webhook-id`; it never gets two events of an aggregate in the wrong order.

mod deliveries;
mod engine;
pub mod http;
mod pace;
mod parcel;
mod places;
mod secret;
mod send;
mod session;
mod subscriptions;
mod target;

pub use deliveries::{Ailing, ailing};
pub use engine::{Config, run};
pub use pace::Pace;
pub(crate) use places::{begin_at_head, follow_recovery};
pub use secret::{Secret, Secrets, UnfitSecret};
pub use send::{Message, Outcome, Sender};
pub use target::{Targets, UnfitTarget, private_by_default};
