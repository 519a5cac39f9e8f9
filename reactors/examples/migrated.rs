//! Runs a command beside a migrated database: `DATABASE_URL` names it, and a Postgres is started for it unless that is
//! set already. `cargo xtask prepare-sql` checks SQL with it, so nothing here may depend on a crate with checked SQL.

#[path = "support/migrate.rs"]
mod migrate;

use std::process::{Command, ExitCode};

use anyhow::Context as _;
use platform::embedded::postgres::{EmbeddedPostgres, PostgresOptions};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    // Ours and another crypto provider are compiled in, so rustls wants to be told.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut words = std::env::args_os().skip(1);
    let program = words.next().context("say which command to run")?;
    let mut command = Command::new(program);
    command.args(words);
    if let Some(url) = std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty()) {
        return run(command, &url).await;
    }
    let folder = tempfile::tempdir()?;
    let postgres = EmbeddedPostgres::start(&PostgresOptions::new(folder.path()).for_tests()).await?;
    let ended = run(command, postgres.url().expose()).await;
    postgres.stop().await?;
    ended
}

async fn run(mut command: Command, url: &str) -> anyhow::Result<ExitCode> {
    migrate::migrate(url).await.context("migrating the database")?;
    let status = tokio::task::spawn_blocking({
        let url = url.to_owned();
        move || command.env("DATABASE_URL", url).status()
    });
    Ok(if status.await??.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
