//! `handsel doctor`

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::doctor::{self, Limits, Seen, Severity};
use crate::output;
use crate::settings::ServerSettings;

/// Looks at the instance, running or not, and names what is wrong: what is seen, why it matters, what to do. Nothing is
/// changed. Exit code 1 if an error was found; warnings alone leave it at 0.
///
/// An embedded Postgres that does not run is started for as long as it is looked at.
#[derive(Args, Debug)]
pub struct Doctor {
    #[command(flatten)]
    server: ServerSettings,
    #[command(flatten)]
    limits: Limits,
    /// How to print what was found.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// For programs: `checks`, `findings`, `not_looked_at`.
    Json,
}

impl Doctor {
    /// Looks.
    ///
    /// # Errors
    /// If standard output cannot be written. What is wrong with the instance is no error.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let seen = doctor::examine(self.server, self.limits).await;
        match self.format {
            Format::Table => show(&seen)?,
            Format::Json => output::line(serde_json::to_string_pretty(&seen)?)?,
        }
        Ok(if seen.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn show(seen: &Seen) -> anyhow::Result<()> {
    let count = |severity| seen.findings.iter().filter(|finding| finding.severity == severity).count();
    for finding in &seen.findings {
        let severity = if finding.severity == Severity::Error { "ERROR" } else { "WARNING" };
        let line = |name: &str, text: &str| vec![format!("  {name}"), text.to_owned()];
        output::line(format!("{severity} {}", finding.code))?;
        output::table(&[line("seen", &finding.seen), line("why", finding.why), line("next", &finding.next)])?;
        output::line("")?;
    }
    for unseen in &seen.not_looked_at {
        output::line(format!("not looked at: {}: {}", unseen.check, unseen.reason))?;
    }
    let checks = seen.checks.len();
    if seen.findings.is_empty() {
        return output::line(format!("all is well: {checks} checks found nothing"));
    }
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    output::line(format!("{checks} checks found {errors} errors and {warnings} warnings"))
}
