//! The usual load for long: nothing may grow.

use std::time::Duration;

use crate::load::Rate;
use crate::scenario::{Scenario, Setting};
use crate::world::World;

/// How much the memory of a role may grow in an hour, once it has warmed up.
const GROWTH_MAX_KIB_PER_HOUR: f64 = 16.0 * 1024.0;
const SAMPLE_EVERY_MS: u64 = 2_000;
/// Until every cache is full: they hold 50,000 aggregates of a store, and two of three commands make a new one.
const WARM_UP_COMMANDS: u64 = 150_000;
const WARM_UP_CLIENTS: u32 = 32;
const WARM_UP_MAX: Duration = Duration::from_secs(600);
/// What piles up while nothing waits takes a while to go.
const COOL_DOWN_MS: u64 = 60_000;

pub(crate) const SOAK: Scenario = Scenario {
    name: "soak",
    about: "The usual load for half an hour, after a flood that fills every cache; in CI for some seconds.",
    lands: &[],
    setting: Setting::USUAL,
    run: |world| Box::pin(soak(world)),
};

async fn soak(world: &mut World<'_>) -> anyhow::Result<()> {
    if world.plan.long {
        warm_up(world).await?;
    }
    let samples = world.times(3, 900);
    let mut memory: Vec<Vec<f64>> = vec![Vec::new(); world.roles.len()];
    for _ in 0..samples {
        world.go_on(SAMPLE_EVERY_MS).await;
        for (of, role) in memory.iter_mut().zip(&world.roles) {
            of.push(role.memory_kib() as f64);
        }
    }
    for (index, of) in memory.iter().enumerate() {
        let name = world.roles[index].name.clone();
        let per_hour = slope(of) * 3_600_000.0 / SAMPLE_EVERY_MS as f64;
        world.figure(&format!("{name} MiB at the begin"), of.first().copied().unwrap_or_default() / 1024.0);
        world.figure(&format!("{name} MiB at the end"), of.last().copied().unwrap_or_default() / 1024.0);
        if world.plan.long {
            world.figure(&format!("{name} growth MiB per hour"), per_hour / 1024.0);
            if per_hour > GROWTH_MAX_KIB_PER_HOUR {
                world.violation(format!("{name} grows by {:.1} MiB an hour", per_hour / 1024.0));
            }
        }
    }
    Ok(())
}

/// Fills the caches as fast as commands are answered, and begins the usual load after it.
async fn warm_up(world: &mut World<'_>) -> anyhow::Result<()> {
    let usual = world.rate;
    world.rest().await;
    world.rate = Rate { clients: WARM_UP_CLIENTS, per_second: None, ..usual };
    world.work()?;
    world.acknowledged(WARM_UP_COMMANDS, WARM_UP_MAX).await?;
    world.rest().await;
    world.rate = usual;
    world.work()?;
    world.go_on(COOL_DOWN_MS).await;
    Ok(())
}

/// How much a series rises from one sample to the next, by least squares.
fn slope(series: &[f64]) -> f64 {
    let count = series.len() as f64;
    let (mean_x, mean_y) = ((count - 1.0) / 2.0, series.iter().sum::<f64>() / count);
    let (mut over, mut under) = (0.0, 0.0);
    for (x, y) in series.iter().enumerate() {
        let from_mean = x as f64 - mean_x;
        over += from_mean * (y - mean_y);
        under += from_mean * from_mean;
    }
    if under == 0.0 { 0.0 } else { over / under }
}
