//! `handsel mails parked|retry|skip`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reactors::mail::{self, ParkedMail};
use sqlx::PgPool;

use super::noted;
use crate::output;
use crate::settings::Settings;

/// Works on mail that the server refused, or did not take for more than a day. It waits; all other mail goes on.
#[derive(Args, Debug)]
pub struct Mails {
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
    /// Hand it over again.
    Retry {
        /// Its number, as `handsel mails parked` shows it; without one, all of them.
        number: Option<i64>,
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Give it up: nobody is told.
    Skip {
        /// Its number, as `handsel mails parked` shows it.
        number: i64,
        #[command(flatten)]
        settings: Box<Settings>,
    },
}

impl Mails {
    /// Does it.
    ///
    /// # Errors
    /// If there is nothing of that number, or the database is away.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let settings = match &self.action {
            Action::Parked { settings } | Action::Retry { settings, .. } | Action::Skip { settings, .. } => settings,
        };
        let settings = Settings::clone(settings);
        noted::with(&settings, "handsel mails", async |views| self.action.run(views).await).await
    }
}

impl Action {
    async fn run(self, views: &PgPool) -> anyhow::Result<ExitCode> {
        match self {
            Self::Parked { .. } => list(&mail::list_parked_mails(views).await?),
            Self::Retry { number: Some(number), .. } => {
                mail::retry(views, number).await?;
                output::line(format!("{number} is handed over again"))?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Retry { number: None, .. } => {
                let count = mail::retry_all(views).await?;
                output::line(format!("{count} mails are handed over again"))?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Skip { number, .. } => {
                mail::skip(views, number).await?;
                output::line(format!("{number} is given up"))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn list(parked: &[ParkedMail]) -> anyhow::Result<ExitCode> {
    if parked.is_empty() {
        output::line("nothing is parked")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![["number", "event", "what", "why not", "tries", "noted at"].map(str::to_owned).to_vec()];
    for one in parked {
        rows.push(vec![
            one.number.to_string(),
            one.event_id.to_string(),
            one.letter.clone(),
            one.why.clone(),
            one.tries.to_string(),
            one.noted_at.to_rfc3339(),
        ]);
    }
    output::table(&rows)?;
    Ok(ExitCode::SUCCESS)
}
