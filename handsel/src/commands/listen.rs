//! `handsel listen --forward-to URL`

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use reactors::webhooks::{Pace, Secret, Sender, Targets};

use crate::follow::{Follower, Wanted};
use crate::forward::{Ended, Forwarder};
use crate::output;

/// When a receiver that a person works on is tried again: it comes back soon, or not at all.
const PACE: Pace =
    Pace { first: Duration::from_millis(500), factor: 2, longest: Duration::from_secs(20), attempts_max: 12 };

/// Sends events to a URL as they happen, as a webhook would, until Ctrl-C: for a receiver that is being written.
/// Nothing is stored; POST /v1/webhooks makes a webhook that stays.
///
/// What is not taken is tried again for some two minutes, and what follows for the same aggregate waits behind it; then
/// this ends, and says where to go on.
#[derive(Args, Debug)]
pub struct Listen {
    /// Where to send events.
    #[arg(long, value_name = "URL")]
    forward_to: String,

    /// The secret by which they are signed. [default: a new one, which is shown]
    #[arg(long, env = "HANDSEL_WEBHOOK_SECRET", value_name = "whsec_…", hide_env_values = true)]
    secret: Option<platform::settings::Secret>,

    #[command(flatten)]
    wanted: Wanted,

    /// End when so many events were taken.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

impl Listen {
    /// Sends.
    ///
    /// # Errors
    /// If the server refuses or was never there, or the receiver did not take an event.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        // Whoever types the URL may reach it anyway.
        let targets = Targets { private: true };
        let url = targets.read(&self.forward_to).map_err(|why| anyhow::anyhow!("--forward-to: {why}"))?;
        let secret = match &self.secret {
            Some(given) => Secret::parse(given.expose()).map_err(|why| anyhow::anyhow!("--secret: {why}"))?,
            None => {
                let made = Secret::random();
                output::line(format!("signed with {}", made.expose()))?;
                made
            }
        };
        let follower = Follower::new(&self.wanted)?;
        let mut forwarder = Forwarder::new(follower, Sender::new(targets)?, url.to_string(), secret, PACE);
        let ended = tokio::select! {
            ended = forwarder.run(self.count) => ended,
            ended = tokio::signal::ctrl_c() => ended.map(|()| Ended::Counted).map_err(Into::into),
        };
        if let Some(id) = forwarder.taken_up_to() {
            eprintln!("to go on after what was taken: --from '{id}'");
        }
        match ended? {
            Ended::Counted => Ok(ExitCode::SUCCESS),
            Ended::NotTaken(why) => anyhow::bail!(why),
        }
    }
}
