//! `handsel policies parked|retry|skip`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reactors::Parked;
use sqlx::PgPool;

use super::noted;
use crate::output;
use crate::settings::Settings;

/// Works on what policies asked for and was refused. It and what follows for the same aggregate wait; everything else
/// goes on.
#[derive(Args, Debug)]
pub struct Policies {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what was refused and why.
    Parked {
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Ask for it again, and then for what waits behind it.
    Retry {
        /// Its number, as `handsel policies parked` shows it.
        number: i64,
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Give it up, and ask for what waits behind it.
    Skip {
        /// Its number, as `handsel policies parked` shows it.
        number: i64,
        #[command(flatten)]
        settings: Box<Settings>,
    },
}

impl Policies {
    /// Does it.
    ///
    /// # Errors
    /// If there is nothing of that number, or the database is away.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let settings = match &self.action {
            Action::Parked { settings } | Action::Retry { settings, .. } | Action::Skip { settings, .. } => settings,
        };
        let settings = Settings::clone(settings);
        noted::with(&settings, "handsel policies", async |views| self.action.run(views).await).await
    }
}

impl Action {
    async fn run(self, views: &PgPool) -> anyhow::Result<ExitCode> {
        match self {
            Self::Parked { .. } => list(&reactors::list_parked(views).await?),
            Self::Retry { number, .. } => {
                reactors::retry(views, number).await?;
                output::line(format!("{number} is asked for again"))?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Skip { number, .. } => {
                reactors::skip(views, number).await?;
                output::line(format!("{number} is given up"))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn list(parked: &[Parked]) -> anyhow::Result<ExitCode> {
    if parked.is_empty() {
        output::line("nothing is parked")?;
        return Ok(ExitCode::SUCCESS);
    }
    let head = ["number", "policy", "asked of", "what", "why not", "event", "noted at", "behind it"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for one in parked {
        rows.push(vec![
            one.number.to_string(),
            one.policy.clone(),
            format!("{} {}", one.target.0, one.target.1),
            one.dispatch.clone(),
            one.why.clone(),
            one.event_id.to_string(),
            one.noted_at.to_rfc3339(),
            one.behind.to_string(),
        ]);
    }
    output::table(&rows)?;
    Ok(ExitCode::SUCCESS)
}
