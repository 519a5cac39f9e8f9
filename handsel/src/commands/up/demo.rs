//! The market to look at that `up --demo` makes behind, while everything else goes on.

use std::time::Duration;

use platform::shutdown::Shutdown;

use crate::client::{Limits, Report, Sender};
use crate::commands::seed::{DEMO_SEED, DEMO_SIZE};
use crate::output;
use crate::seed::{self, CALLER, Market, Seeded};
use crate::spine::Spine;

/// Few at a time: whoever looks at it meanwhile comes first.
const LIMITS: Limits = Limits { concurrency: 4, give_up_after: Some(Duration::from_secs(60)) };

/// Refusals go to the log; a bar would be torn by it.
struct InLog;

impl Report for InLog {
    fn answered(&self) {}

    fn say(&self, line: &str) {
        tracing::warn!("The demo market: {line}");
    }
}

/// Makes the market if nothing ever happened here, or if it was begun and broken off.
pub(super) async fn run(url: String, spine: Spine, shutdown: Shutdown) {
    let made = tokio::select! {
        made = make(&url, &spine) => made,
        () = shutdown.begun() => return,
    };
    match made {
        Ok(Some(seeded)) => {
            let orders = seeded.orders.imported;
            tracing::info!(orders, "The demo market is there: {}", seeded.to_string().replace('\n', "; "));
        }
        Ok(None) => tracing::info!("Something happened here before, so no demo market is made"),
        Err(error) => {
            let why = crate::failure::one_line(&error);
            tracing::warn!("The demo market was not made: {why}; `handsel seed` makes the rest of it");
        }
    }
}

async fn make(url: &str, spine: &Spine) -> anyhow::Result<Option<Seeded>> {
    let market = Market::new(DEMO_SEED, DEMO_SIZE);
    let sender = Sender::new(&url.parse()?, CALLER, LIMITS, InLog)?;
    if !is_empty(spine).await? && !seed::is_half_made(&sender, &market).await? {
        return Ok(None);
    }
    output::line("A demo market is being made behind, through commands; `handsel --demo=false` starts without.\n")?;
    seed::make(&sender, &market).await.map(Some)
}

async fn is_empty(spine: &Spine) -> anyhow::Result<bool> {
    for store in spine.stores.values() {
        if store.reader().head().await?.position.get() > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
