//! Runs policies: reads what happened, notes what follows from it, and asks for that until it is answered.
//!
//! What follows is sent at once, under a key that derives from policy, event and ordinal, so that sending it again is
//! answered as before. What is not answered a moment later is noted in the transaction that moves the policy's
//! checkpoint past the event; until then whoever begins anew reads the event again. So each event is reacted to once in
//! effect. A broker has no part in it: policies read the stores.

mod ahead;
mod backlog;
mod checkpoints;
mod dispatches;
mod effects;
mod engine;
mod heads;
mod lanes;
mod lead;
pub mod mail;
mod parked;
pub mod payments;
mod reading;
mod replays;
mod schema;
mod sender;
mod session;
mod term;
mod timers;
pub mod webhooks;

pub use engine::{Config, run};
pub use parked::{NotParked, Parked, list as list_parked, retry, skip};
pub use replays::{NotReplayed, replay};
pub use schema::{MigrationFailed, begin_at_head, check_version, follow_recovery, migrate};
pub use sender::Sender;
