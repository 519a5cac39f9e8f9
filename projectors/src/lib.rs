//! Builds what is read from what happened: one file per read model, and the runner that they share.
//!
//! [`projection::Projection`] says what a read model is, [`registry::READ_MODELS`] lists them. [`run`] follows them:
//! rows and checkpoints move in one transaction, so an event is applied once in effect whatever the broker does. What
//! the topics lack is read from the stores. [`rebuild()`] builds a read model again beside the live one, [`parked`]
//! works on events that could not be applied, [`status()`] says how everything is.

pub mod audit;
mod checkpoint;
mod checkpoint_rows;
mod claim;
mod consumer;
mod feed;
mod follower;
mod generation;
mod health;
pub mod identity;
mod in_use;
mod lag;
mod migrate;
mod offsets;
pub mod orders;
pub mod parked;
mod parked_rows;
mod parking;
pub mod payments;
pub mod products;
pub mod projection;
mod rebuild;
mod records;
mod refusals;
pub mod registry;
mod runner;
mod share;
mod silence;
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub mod simulation;
mod status;
mod step;
mod store_watch;
mod stores;
pub mod table;
mod writer;

pub use checkpoint::{Checkpoint, Place, WHOLE_STORE};
pub use lag::Lag;
pub use migrate::{MigrationFailed, check_version, migrate};
pub use rebuild::{Checked, Compared, Difference, RebuildFailed, Rebuilt, check, rebuild, start_over};
pub use runner::{Config, run};
pub use status::{Status, status};
pub use stores::Stores;
