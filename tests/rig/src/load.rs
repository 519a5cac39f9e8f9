//! A mixed load: orders of customers as unequal as Zipf has them, imported, or placed, paid, sent and cancelled;
//! registrations, renames, repeats with the same key, keys used for something else, and readers who want to see what
//! they just did.

mod answer;
mod asked;
mod client;
mod journal;
mod stats;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use self::answer::Answer;
use self::client::Client;
pub(crate) use self::journal::Journal;
pub(crate) use self::stats::{Stats, Summary};
use crate::dice::Dice;
use crate::market::Ware;

/// How hard the system is worked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) clients: u32,
    /// Commands a second, of all clients together; none: as fast as they are answered.
    pub(crate) per_second: Option<u32>,
    /// How long a client repeats a request that is not answered.
    pub(crate) patience: Duration,
    /// Whether somebody looks for what was just done.
    pub(crate) reads: bool,
}

impl Rate {
    /// What the published figures are about.
    pub(crate) const USUAL: Self =
        Self { clients: 8, per_second: Some(200), patience: Duration::from_secs(60), reads: true };
    /// Where several scenarios run side by side on two cores. An order with all that follows from it costs 10 ms of a
    /// core, and a load that cannot be kept up with makes everything wait that the scenarios are about.
    pub(crate) const SHORT: Self = Self { per_second: Some(40), ..Self::USUAL };
}

/// Where the system is.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Those who take commands; a client that is not answered tries the next.
    pub(crate) commands: Vec<String>,
    pub(crate) queries: String,
    /// What can be ordered.
    pub(crate) wares: Arc<[Ware]>,
}

/// A load that goes on until it is stopped.
#[derive(Debug)]
pub(crate) struct Load {
    clients: JoinSet<()>,
    stop: CancellationToken,
    stats: Arc<Stats>,
}

impl Load {
    /// Begins it. Every answer is noted in the journal before the client goes on.
    pub(crate) fn start(target: &Target, rate: Rate, dice: &Dice, journal: &Path) -> anyhow::Result<Self> {
        let (stop, stats) = (CancellationToken::new(), Arc::new(Stats::default()));
        let journal = Arc::new(Journal::open(journal).context("opening the journal")?);
        let mut clients = JoinSet::new();
        for number in 0..rate.clients {
            let http = reqwest::Client::builder()
                .pool_idle_timeout(Duration::from_secs(5))
                .timeout(Duration::from_secs(10))
                .build()?;
            let client = Client::new(http, target.clone(), rate, dice.apart(&format!("client {number}")), number);
            clients.spawn(client.run(stats.clone(), journal.clone(), stop.clone()));
        }
        Ok(Self { clients, stop, stats })
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Lets every client settle what it has begun, and sums up.
    pub(crate) async fn stop(mut self) -> Summary {
        self.stop.cancel();
        while self.clients.join_next().await.is_some() {}
        self.stats.summary()
    }
}
