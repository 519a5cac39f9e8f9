//! `handsel policies parked|retry|skip|replay`

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use envelope::Position;
use event_schemas::Context;
use event_store::Store;
use platform::postgres::{PoolSettings, pool};
use reactors::Parked;

use super::noted;
use crate::instance::Instance;
use crate::migrate::store_config;
use crate::output;
use crate::settings::Settings;

/// By which its connections are known.
const NAME: &str = "handsel policies";

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
    /// Let a policy react to the past: in a copy of another instance, or where its notes were lost. What was done is
    /// not done again; what was not, and every deadline, is noted.
    Replay {
        /// Which one: order_fulfilment, reservation_expiry.
        policy: String,
        /// `start`, or positions such as orders=17,products=4 after which to begin; a context that is not named goes
        /// on where it is.
        #[arg(long, value_name = "PLACE")]
        from: String,
        #[command(flatten)]
        settings: Box<Settings>,
    },
}

impl Policies {
    /// Does it.
    ///
    /// # Errors
    /// If there is nothing of that number or name, or the database is away.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.action {
            Action::Parked { settings } => {
                noted::with(&settings, NAME, async |views| list(&reactors::list_parked(views).await?)).await?;
            }
            Action::Retry { number, settings } => {
                noted::with(&settings, NAME, async |views| Ok(reactors::retry(views, number).await?)).await?;
                output::line(format!("{number} is asked for again"))?;
            }
            Action::Skip { number, settings } => {
                noted::with(&settings, NAME, async |views| Ok(reactors::skip(views, number).await?)).await?;
                output::line(format!("{number} is given up"))?;
            }
            Action::Replay { policy, from, settings } => {
                let events = replay(*settings, &policy, &from).await?;
                output::line(format!("`{policy}` reacts again to {events} events"))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn replay(settings: Settings, policy: &str, from: &str) -> anyhow::Result<i64> {
    let after = places(from)?;
    let (instance, servers) = Instance::attach(settings).await?;
    let replayed = async {
        let views = pool(&instance.urls.views, &PoolSettings::new(NAME).connections_max(1)).await?;
        reactors::check_version(&views).await?;
        let mut readers = Vec::new();
        for context in Context::ALL {
            readers.push((context, Store::open(store_config(&instance.urls, context)).await?.reader()));
        }
        Ok(reactors::replay(&views, policy, &readers, after.as_ref()).await?)
    };
    let replayed = replayed.await;
    servers.stop().await?;
    replayed
}

/// After which position to begin in which store; none: at the start of all.
fn places(from: &str) -> anyhow::Result<Option<BTreeMap<Context, Position>>> {
    if from == "start" {
        return Ok(None);
    }
    let form = || anyhow::anyhow!("--from {from}: it is `start`, or positions such as orders=17,products=4");
    let mut after = BTreeMap::new();
    for part in from.split(',') {
        let (context, position) = part.split_once('=').ok_or_else(form)?;
        let position = position.trim().parse().ok().filter(|position| *position >= 0).ok_or_else(form)?;
        after.insert(context.trim().parse()?, Position(position));
    }
    Ok(Some(after))
}

fn list(parked: &[Parked]) -> anyhow::Result<()> {
    if parked.is_empty() {
        return output::line("nothing is parked");
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
    output::table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_start_or_a_position_in_each_store() {
        assert_eq!(places("start").unwrap(), None);
        let expected = BTreeMap::from([(Context::Orders, Position(17)), (Context::Products, Position::ZERO)]);
        assert_eq!(places("orders=17, products=0").unwrap(), Some(expected));
        for from in ["", "now", "orders", "orders=", "orders=-1", "gigs=1"] {
            assert!(places(from).is_err(), "{from}");
        }
    }
}
