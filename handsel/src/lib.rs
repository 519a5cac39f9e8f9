//! The program as a library, so that tests and the bench start its roles in process.

pub mod aggregates;
pub mod cdnow;
pub mod cli;
pub mod client;
pub mod commands;
pub mod doctor;
pub mod failure;
pub mod follow;
pub mod forward;
pub mod heads;
pub mod import;
pub mod instance;
pub mod migrate;
pub mod output;
pub mod recipes;
pub mod roles;
pub mod seed;
pub mod settings;
pub mod spine;

use std::process::ExitCode;

use clap::Parser as _;

/// The whole program, for its binary and for that of the tests.
#[must_use]
pub fn main() -> ExitCode {
    // The embedded broker brings another provider along; rustls wants to be told which of the two is meant.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::report(&anyhow::Error::new(error).context("cannot start threads")),
    };
    let outcome = runtime.block_on(cli.run());
    // Whatever still blocks a thread (a DNS look-up, a Kafka client) is not waited for.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| failure::report(&error))
}
