//! `handsel seed`

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use platform::bar::Bar;

use crate::client::{ClientArgs, OnBar, finish};
use crate::output;
use crate::seed::{self, CALLER, Market};

/// The market that `up --demo` makes.
pub const DEMO_SEED: u64 = 1;
/// How many orders it has.
pub const DEMO_SIZE: u32 = 60;

/// Makes a market to look at in a running instance, through commands: sellers and customers, products with variants
/// and stock, orders at every stage, some of whose payments failed. The same seed and size make the same market: a
/// second time changes nothing.
#[derive(Args, Debug)]
pub struct Seed {
    /// Which market.
    #[arg(long, value_name = "N", default_value_t = DEMO_SEED)]
    seed: u64,

    /// How many orders it has; people and products are fewer.
    #[arg(long, value_name = "N", default_value_t = DEMO_SIZE,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    size: u32,

    #[command(flatten)]
    instance: ClientArgs,
}

impl Seed {
    /// Makes it.
    ///
    /// # Errors
    /// If the server stays away for too long, or an order does not get on.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let market = Market::new(self.seed, self.size);
        let bar = Arc::new(Bar::new("market", Some(market.jobs())));
        let sender = self.instance.sender(CALLER, OnBar(bar.clone()))?;
        let answered = || format!("{} of {} parts of the market are there", bar.done(), market.jobs());
        let seeded = seed::make(&sender, &market).await.with_context(answered)?;
        drop(sender);
        finish(bar);
        output::line(seeded)?;
        Ok(if seeded.refused() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
