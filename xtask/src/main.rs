//! The chores of the repository, one verb per file: `cargo xtask help`.

mod kafka;
mod pages;
mod prepare_sql;
mod schemas;

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};

const HELP: &str = "\
The chores of the repository.

  cargo xtask schemas [--check]       write the JSON Schemas of all events, or say what differs
  cargo xtask prepare-sql [--check]   write .sqlx, which lets SQL be checked without a database, or say what differs
  cargo xtask pages [--check]         write what follows from the program itself, or say what differs: the catalogue of
                                      events, the tables, .env.example, and what Prometheus and Grafana read
  cargo xtask kafka [--background]    an Apache Kafka for development at 127.0.0.1:9092; `--stop` ends it
  cargo xtask help                    this text
";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let verb = words.next().unwrap_or_else(|| "help".to_owned());
    let rest: Vec<String> = words.collect();
    match run(&verb, &rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {verb}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: &str, rest: &[String]) -> anyhow::Result<()> {
    match verb {
        "schemas" => schemas::run(rest),
        "prepare-sql" => prepare_sql::run(rest),
        "pages" => pages::run(rest),
        "kafka" => kafka::run(rest),
        "help" | "--help" | "-h" => {
            eprint!("{HELP}");
            Ok(())
        }
        _ => bail!("there is no such verb; `cargo xtask help` lists them"),
    }
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository")
}

/// Runs a program in the root and fails if it does.
fn call(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.current_dir(root()).status().with_context(|| format!("could not start {name}"))?;
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    Ok(())
}
