//! Two processes append to one aggregate at the same time.

use futures::future::join_all;

use crate::accounts::{register, rename};
use crate::scenario::{Scenario, Setting};
use crate::world::World;

/// How many ask at once, half of them the one process and half the other.
const AT_ONCE: usize = 8;

pub(crate) const APPENDS: Scenario = Scenario {
    name: "parallel-appends",
    about: "Rounds of appends to one aggregate by two processes, all made for the same version: one may win.",
    lands: &["rounds", "conflicts"],
    setting: Setting { twice: &["command-api"], quiet: true, ..Setting::USUAL },
    run: |world| Box::pin(appends(world)),
};

async fn appends(world: &mut World<'_>) -> anyhow::Result<()> {
    let urls = [world.role("command-api").url(), world.role("command-api-2").url()];
    let account = register(world, &urls[0], "Race").await?;
    let mut version = 1;
    for round in 0..world.times(50, 600) {
        // Without the fault there is nobody to race with.
        let at_once = if world.plan.null { 1 } else { AT_ONCE };
        let (world_now, account, urls) = (&*world, &account, &urls);
        let asked = (0..at_once).map(|number| async move {
            rename(world_now, &urls[number % 2], account, version, &format!("Round {round} {number}")).await
        });
        let came: Vec<u16> = join_all(asked).await.into_iter().collect::<Result<_, _>>()?;
        let won = came.iter().filter(|status| **status == 204).count();
        let lost = came.iter().filter(|status| **status == 412).count();
        if won != 1 || won + lost != at_once {
            world.violation(format!("round {round}, all made for version {version}: {came:?}"));
        }
        version += i64::try_from(won)?;
        if !world.plan.null {
            world.landed("rounds");
            world.landed_times("conflicts", lost as u64);
        }
    }
    let stored = format!("select count(*) from es_identity.events where aggregate_id = '{account}'");
    let events = world.number(&stored).await?;
    if events != version {
        world.violation(format!("I2: {} appends were successes and {} events are there", version, events));
    }
    Ok(())
}
