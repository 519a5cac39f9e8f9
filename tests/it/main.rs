//! The system as a user meets it.

#![expect(clippy::unwrap_used, reason = "all of this is tests; clippy knows only functions marked as such")]

mod api;
mod architecture;
mod doctor;
mod embedded;
mod event_store;
mod identity;
mod import;
mod journeys;
mod keys;
mod metrics;
mod orders;
mod payments;
mod postgres;
mod products;
mod program;
mod projectors;
mod prometheus;
mod reactors;
mod relay;
mod search;
mod telemetry;
mod verify;
mod webhooks;

/// The program, built with these tests.
const EXE: &str = env!("CARGO_BIN_EXE_handsel-under-test");
