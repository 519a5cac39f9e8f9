//! `handsel config`

use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, CommandFactory as _};

use crate::cli::Cli;
use crate::output;
use crate::settings::ServerSettings;

/// Shows every setting of `up` that is in force and where it comes from: a flag, the environment, or the default.
/// Secrets are masked.
#[derive(Args, Debug)]
pub struct Config {
    #[command(flatten)]
    server: ServerSettings,
}

impl Config {
    /// Shows.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut command = Cli::command();
        let matches = command.get_matches_mut();
        let mut rows = vec![["setting", "value", "from", "environment variable"].map(str::to_owned).to_vec()];
        // The same words were parsed before, so this is the command that was called.
        if let (Some(described), Some((_, given))) = (command.find_subcommand("config"), matches.subcommand()) {
            rows.extend(described.get_arguments().filter_map(|argument| row(argument, given)));
        }
        output::table(&rows)?;
        output::line("")?;
        output::line(format!("data folder in use: {}", self.server.common.data.directory().display()))?;
        for context in event_schemas::Context::ALL {
            let variable = platform::settings::context_variable(context.name());
            let own = std::env::var_os(&variable).or_else(|| std::env::var_os(format!("{variable}_FILE")));
            output::line(format!(
                "{variable}: {}",
                if own.is_some() { "***" } else { "not set, as the database URL" }
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(argument: &Arg, given: &ArgMatches) -> Option<Vec<String>> {
    let (long, id) = (argument.get_long()?, argument.get_id().as_str());
    if matches!(id, "help" | "version") {
        return None;
    }
    let source = given.value_source(id);
    let value = match source {
        Some(_) if argument.is_hide_env_values_set() => "***".to_owned(),
        Some(_) => given
            .get_raw(id)
            .map(|values| values.map(|value| value.to_string_lossy().into_owned()).collect::<Vec<_>>().join(","))
            .unwrap_or_default(),
        None => "-".to_owned(),
    };
    let from = match source {
        Some(ValueSource::CommandLine) => "flag",
        Some(ValueSource::EnvVariable) => "environment",
        Some(ValueSource::DefaultValue) => "default",
        _ => "not set",
    };
    let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Some(vec![format!("--{long}"), value, from.to_owned(), variable])
}
