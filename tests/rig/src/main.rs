//! Plants faults in the system as it runs where roles run apart, and proves that none stays unseen.
//!
//! A scenario puts a mixed load on real processes, one per role, injects its faults, lets everything come to rest and
//! has the verifier look at all of it. A fault counts only if counters show that it landed, and a planted mistake must
//! be found. Everything follows from a seed, as far as processes can be told what to do.

mod accounts;
mod defects;
mod dice;
mod isolation;
mod load;
mod market;
mod outcome;
mod parts;
mod program;
mod report;
mod role;
mod run;
mod scenario;
mod scenarios;
mod servers;
mod tables;
mod verify;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The program under test is this binary under another name, and it is measured with the allocator that is shipped.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Plants faults and mistakes in the running system, and proves that none stays unseen.
#[derive(Debug, Parser)]
#[command(name = "rig")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// What everything follows from.
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
    /// Where the report is written; nothing is written without it.
    #[arg(long, global = true, value_name = "FILE")]
    report: Option<std::path::PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Each scenario once, some kills, some planted mistakes: some five minutes.
    Short,
    /// One part of the long run, with the numbers that are published: `kills`, `scenarios`, `outage`, `soak`, `null` or
    /// `defects`. All together take an hour and a half.
    Long {
        /// Which.
        part: String,
    },
    /// One scenario, as often as asked for.
    One {
        /// Which.
        scenario: String,
        /// How often.
        #[arg(long, default_value_t = 1)]
        times: u32,
        /// With this mistake planted.
        #[arg(long)]
        defect: Option<String>,
        /// Everything but the fault.
        #[arg(long)]
        null: bool,
        /// With the numbers of the long run.
        #[arg(long)]
        long: bool,
    },
    /// Every planted mistake, or one, against the scenarios that must find it.
    Defects {
        /// Which; all without it.
        name: Option<String>,
    },
    /// Writes what the long run saw into `docs/reliability.md`.
    Tables {
        /// Only says whether it stands there already.
        #[arg(long)]
        check: bool,
    },
    /// Lists the scenarios and the mistakes.
    List,
}

fn main() -> ExitCode {
    let called = std::env::args_os().next().unwrap_or_default();
    if std::path::Path::new(&called).file_name().is_some_and(|name| name == program::NAME) {
        return handsel::main();
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    if let Command::Tables { check } = cli.command {
        return match tables::write(check) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => handsel::failure::report(&anyhow::anyhow!("docs/reliability.md is not what the results say")),
            Err(error) => handsel::failure::report(&error),
        };
    }
    if let Some(status) = isolation::inside(fetch) {
        return status;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return handsel::failure::report(&anyhow::Error::new(error).context("cannot start threads")),
    };
    let done = runtime.block_on(run::run(cli.command, cli.seed, cli.report));
    runtime.shutdown_background();
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => handsel::failure::report(&error),
    }
}

/// Brings in what has to come over a network.
fn fetch() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(servers::fetch())
}
