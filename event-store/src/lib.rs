//! An event store on Postgres for any `cqrs_es::Aggregate`.
//!
//! Events of one context stand in one schema, in the order in which they were committed, without gaps, each chained to
//! the one before. [`Commands`] decides on the newest state and answers when everything the answer rests on is
//! durable; [`Reader`] reads events by position; [`relay`] carries them to Kafka; [`verify`] walks the chain, and
//! [`heads`] vouch for it outside the database.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use event_store::{Store, StoreConfig};
//! let config = StoreConfig::new("parcels", "postgres://localhost/parcels");
//! Store::migrate(&config).await?;
//! let store = Store::open(config).await?;
//! let everything = store.reader().after(envelope::Position::ZERO, 100).await?;
//! # Ok(()) }
//! ```
//!
//! `examples/parcels.rs` is a whole program.

pub mod adopt;
mod appender;
mod chain;
mod codec;
mod commands;
mod config;
mod copy;
pub mod copy_in;
mod cqrs;
mod error;
mod filling;
mod grants;
pub mod heads;
pub mod keys;
mod reader;
pub mod recover;
pub mod relay;
mod shown;
#[cfg(any(test, feature = "simulation"))]
#[doc(hidden)]
pub mod simulation;
mod store;
pub mod tail;
mod transact;
pub mod verify;
mod vitals;

pub use appender::{AppenderState, Committed};
pub use commands::{Ask, Commands, Done, IdempotencyKey, Refused};
pub use config::StoreConfig;
pub use cqrs::{CqrsStore, LoadedAggregate};
pub use error::StoreError;
pub use reader::{Head, RawPayload, Reader, RelayRow};
pub use shown::Shown;
pub use store::Store;
pub use transact::Transact;
pub use vitals::{Holder, Vitals};
