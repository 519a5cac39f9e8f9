//! The whole system in one thread: clients, two processes that append, a store, two relays, a log, two projectors,
//! views, and readers with tokens, through whatever may happen to them. Time is counted, nobody waits; everything
//! follows from a seed. What decides is the code that programs run; Postgres, Kafka and the network are simulated.
//!
//! [`run`] plays one seed. [`model`] is the protocol of relay and reader, looked at in every state it can be in.

mod broker;
mod clients;
mod fault;
mod follower;
mod history;
mod many;
pub mod model;
mod mutant;
mod oracle;
mod projectors;
mod readers;
mod relays;
mod run;
mod views;
mod world;

pub use self::fault::{Fault, Tally, WITHIN_PROCESSES};
pub use self::history::History;
pub use self::many::{Summary, play};
pub use self::mutant::Mutant;
pub use self::run::{Outcome, run};

/// In so many seeds every kind of trouble happens.
pub const SEEDS_FOR_ALL: u64 = 500;
/// Aggregates.
pub const GATES: usize = 6;
/// Partitions of the topic.
pub const PARTITIONS: usize = 3;

fn partition_of(gate: usize) -> usize {
    let partition = platform::kafka::partition_of(&event_store::simulation::name(gate), PARTITIONS as i32);
    usize::try_from(partition).expect("partitions are counted from zero")
}
