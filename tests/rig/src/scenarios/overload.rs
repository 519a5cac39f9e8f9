//! Somebody is slow, and somebody asks for more than there is.

use std::time::{Duration, Instant};

use sqlx::Connection as _;

use super::postgres::shown_after;
use crate::load::Rate;
use crate::scenario::{Scenario, Setting};
use crate::world::World;

/// Other views may be so much behind because of a slow one.
const LAG_MAX: Duration = Duration::from_secs(2);
/// Clients that keep the system busy, and three times as many.
const ENOUGH: u32 = 64;
const TOO_MANY: u32 = 3 * ENOUGH;
/// Of what it does at its best, so much is done under overload.
const GOODPUT_MIN: f64 = 0.8;
const GROWTH_MAX_KIB: u64 = 64 * 1024;

pub(crate) const SLOW_CONSUMER: Scenario = Scenario {
    name: "slow-consumer",
    about: "One read model waits a second for each batch.",
    lands: &["seconds held"],
    setting: Setting::USUAL,
    run: |world| Box::pin(slow_consumer(world)),
};

pub(crate) const THREEFOLD: Scenario = Scenario {
    name: "overload",
    about: "Three times as many clients as keep the system busy, none of which waits.",
    lands: &["clients too many"],
    setting: Setting { flood: Some(ENOUGH), ..Setting::USUAL },
    run: |world| Box::pin(threefold(world)),
};

async fn slow_consumer(world: &mut World<'_>) -> anyhow::Result<()> {
    world.acknowledged(50, Duration::from_secs(10)).await?;
    let mut worst = Duration::ZERO;
    for _ in 0..world.times(4, 15) {
        let mut holder = None;
        if !world.plan.null {
            let mut db = world.servers.postgres.connect(&world.database).await?;
            sqlx::raw_sql("begin; select * from read.sales_summary_v1 for update").execute(&mut db).await?;
            holder = Some(db);
            world.landed("seconds held");
        }
        world.go_on(1_000).await;
        worst = worst.max(shown_after(world).await?);
        if let Some(mut db) = holder {
            sqlx::raw_sql("rollback").execute(&mut db).await?;
            db.close().await?;
        }
        world.go_on(50).await;
    }
    world.figure("lag of others ms", worst.as_secs_f64() * 1_000.0);
    if worst > LAG_MAX {
        world.violation(format!("other views were {} ms behind", worst.as_millis()));
    }
    Ok(())
}

async fn threefold(world: &mut World<'_>) -> anyhow::Result<()> {
    let ms = u64::from(world.times(2_000, 30_000));
    world.go_on(1_500).await;
    let peak = goodput(world, ms.min(20_000)).await;
    let before = memory(world);
    if world.plan.null {
        return Ok(());
    }
    world.rest().await;
    world.rate = Rate { clients: TOO_MANY, ..world.rate };
    world.work()?;
    world.landed_times("clients too many", u64::from(TOO_MANY - ENOUGH));
    let under = goodput(world, ms).await;
    let grown = memory(world).saturating_sub(before);
    world.rest().await;
    world.rate = Rate::USUAL;
    world.work()?;
    let back = Instant::now();
    world.acknowledged(20, Duration::from_secs(10)).await?;
    world.figure("goodput at its best per second", peak);
    world.figure("goodput under overload per second", under);
    world.figure("memory grown KiB", grown as f64);
    world.figure("ms until it is as before", back.elapsed().as_secs_f64() * 1_000.0);
    if under < GOODPUT_MIN * peak {
        world.violation(format!("under overload {under:.0} commands/s were done, {peak:.0}/s before"));
    }
    if grown > GROWTH_MAX_KIB {
        world.violation(format!("under overload memory grew by {} MiB", grown / 1024));
    }
    Ok(())
}

/// Commands answered per second.
async fn goodput(world: &mut World<'_>, ms: u64) -> f64 {
    let answered = |world: &World<'_>| world.load.as_ref().map(|load| load.stats().acknowledged()).unwrap_or_default();
    let (before, begun) = (answered(world), Instant::now());
    world.go_on(ms).await;
    (answered(world) - before) as f64 / begun.elapsed().as_secs_f64()
}

fn memory(world: &mut World<'_>) -> u64 {
    world.role("command-api").memory_kib()
}
