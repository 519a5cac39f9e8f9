//! Packets are lost between processes: all of them, one way only, now and then, or a few of a hundred.

use crate::isolation::{Losing, Loss};
use crate::scenario::{Scenario, Setting};
use crate::world::World;

const NETWORK: Setting = Setting { network: true, ..Setting::USUAL };

pub(crate) const PARTITIONS: Scenario = Scenario {
    name: "network-partitions",
    about: "Each link is cut, both ways, one way, and flapping once a second.",
    lands: &["packets lost"],
    setting: NETWORK,
    run: |world| Box::pin(partitions(world)),
};

pub(crate) const LOSS: Scenario = Scenario {
    name: "packet-loss",
    about: "Of the packets of every link, five in a hundred are lost.",
    lands: &["packets lost"],
    setting: NETWORK,
    run: |world| Box::pin(loss(world)),
};

async fn partitions(world: &mut World<'_>) -> anyhow::Result<()> {
    world.go_on(500).await;
    let ports = [world.servers.postgres.port(), world.servers.kafka.port()];
    let ms = u64::from(world.times(1_500, 5_000));
    for port in ports {
        for (to, from) in [(true, true), (true, false), (false, true)] {
            cut(world, &[Loss { port, to, from, percent: 100 }], ms).await?;
            world.go_on(700).await;
        }
        for _ in 0..world.times(1, 3) {
            cut(world, &[Loss { port, to: true, from: true, percent: 100 }], 1_000).await?;
            world.go_on(1_000).await;
        }
    }
    Ok(())
}

async fn loss(world: &mut World<'_>) -> anyhow::Result<()> {
    world.go_on(500).await;
    let mut losses: Vec<Loss> = [world.servers.postgres.port(), world.servers.kafka.port()]
        .into_iter()
        .chain(world.roles.iter().map(|role| role.port))
        .map(|port| Loss { port, to: true, from: true, percent: 5 })
        .collect();
    losses.dedup_by_key(|loss| loss.port);
    let ms = u64::from(world.times(5_000, 30_000));
    cut(world, &losses, ms).await
}

async fn cut(world: &mut World<'_>, losses: &[Loss], ms: u64) -> anyhow::Result<()> {
    if world.plan.null {
        world.go_on(ms.min(1_000)).await;
        return Ok(());
    }
    let losing = Losing::begin(&world.servers.postgres.port().to_string(), losses)?;
    world.go_on(ms).await;
    world.landed_times("packets lost", losing.lost());
    Ok(())
}
