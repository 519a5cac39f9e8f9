//! What every test of the system shares: its own database, a broker, waiting with a deadline, the program in process.
//!
//! Everything is brought up on first use and goes with the test process, also after a panic.

mod app;
mod background;
mod broker;
mod chained;
mod database;
mod program;
mod proxy;
mod server;
mod service;
mod until;

pub use app::{Answer, TestApp, World, master_key};
pub use broker::{TestBroker, broker, embedded_broker};
pub use chained::append_chained;
pub use database::{TestDatabase, database, empty_database};
pub use program::{Finished, Program, data};
pub use proxy::Proxy;
pub use service::Service;
pub use until::{ETA_MAX, until};
