//! Events that a read model cannot take in: they are set aside, and nobody else waits for them.

use std::time::Duration;

use super::postgres::shown_after;
use crate::accounts::{register, rename};
use crate::scenario::{Scenario, Setting};
use crate::world::World;

/// Others may be so much behind because of them.
const LAG_MAX: Duration = Duration::from_secs(2);

pub(crate) const EVENTS: Scenario = Scenario {
    name: "poison-events",
    about: "Some events break a rule of a view's table; later they are mended and tried again.",
    lands: &["parked events"],
    setting: Setting::USUAL,
    run: |world| Box::pin(events(world)),
};

async fn events(world: &mut World<'_>) -> anyhow::Result<()> {
    world.complete = false;
    world.go_on(500).await;
    world.execute("alter table read.accounts_v1 add constraint no_poison check (name not like 'Poison%')").await?;
    let url = world.role("command-api").url();
    let kind = if world.plan.null { "Person" } else { "Poison" };
    for _ in 0..world.times(5, 30) {
        let account = register(world, &url, kind).await?;
        world.go_on_between(0, 200).await;
        // What follows in the same aggregate is right and has to wait all the same.
        for version in 1..3 {
            let status = rename(world, &url, &account, version, &format!("Mended {version}")).await?;
            anyhow::ensure!(status == 204, "not renamed: {status}");
        }
    }
    let lag = shown_after(world).await?;
    world.figure("lag of others ms", lag.as_secs_f64() * 1_000.0);
    if lag > LAG_MAX {
        world.violation(format!("other views were {} ms behind", lag.as_millis()));
    }
    world.go_on(1_500).await;
    let parked = world.number("select count(*) from read.parked where projection = 'accounts'").await?;
    world.landed_times("parked events", parked.unsigned_abs());
    let (_, said) = world.try_call(&["parked", "list"]).await?;
    if !world.plan.null && !said.contains("accounts") {
        world.violation(format!("`handsel parked list` does not show them: {said}"));
    }
    world.execute("alter table read.accounts_v1 drop constraint no_poison").await?;
    world.call(&["parked", "retry", "accounts"]).await?;
    let left = world.number("select count(*) from read.parked").await?;
    if left > 0 {
        world.violation(format!("{left} events are still parked after they were mended"));
    }
    Ok(())
}
