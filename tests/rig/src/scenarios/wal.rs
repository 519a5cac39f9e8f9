//! The disk under Postgres' log of transactions is full: it does not refuse, it ends.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::disks::{Disk, run};
use crate::scenario::{Scenario, Setting};
use crate::world::World;

pub(crate) const WAL: Scenario = Scenario {
    name: "disk-full-wal",
    about: "The disk under the log of transactions is full: Postgres ends, and is started again once there is room.",
    lands: &["disks filled", "servers ended"],
    setting: Setting::USUAL,
    run: |world| Box::pin(wal(world)),
};

/// Room for some segments beside those that are there.
const ROOM_MB: u64 = 96;
/// How long the server may go on with the segments that it has.
const ENDED_MAX: Duration = Duration::from_secs(60);
const SERVED_MAX: Duration = Duration::from_secs(30);

async fn wal(world: &mut World<'_>) -> anyhow::Result<()> {
    let log = world.servers.postgres.data().join("pg_wal");
    let place = world.servers.folder.path().join(format!("wal-{}", world.database));
    world.servers.postgres.stop().await?;
    let disk = Disk::mount(&place, u32::try_from(megabytes(&log)? + ROOM_MB)?)?;
    let there = place.join("pg_wal");
    move_to(&log, &there)?;
    std::os::unix::fs::symlink(&there, &log)?;
    world.servers.postgres.begin(&[]).await?;
    let ended = end_of_room(world, &disk).await;
    // Whatever came of it, the log must be back on the usual disk before this one goes.
    let _ = disk.empty();
    world.servers.postgres.stop().await?;
    std::fs::remove_file(&log)?;
    move_to(&there, &log)?;
    disk.unmount();
    world.servers.postgres.begin(&[]).await?;
    ended
}

async fn end_of_room(world: &mut World<'_>, disk: &Disk) -> anyhow::Result<()> {
    world.acknowledged(50, SERVED_MAX).await?;
    for _ in 0..world.times(1, 3) {
        if !world.plan.null {
            ensure!(disk.fill()? > 0, "the disk was full before");
            world.landed("disks filled");
            let begun = Instant::now();
            while world.servers.postgres.runs() {
                ensure!(begun.elapsed() < ENDED_MAX, "Postgres found room for its log");
                // The load fills a segment only so fast.
                let _ = world.execute("select pg_switch_wal()").await;
                world.go_on(50).await;
            }
            world.landed("servers ended");
            world.go_on(500).await;
            disk.empty()?;
            world.servers.postgres.kill().await?;
            world.servers.postgres.begin(&[]).await?;
        }
        world.acknowledged(50, SERVED_MAX).await.context("after the disk had room again")?;
    }
    Ok(())
}

fn megabytes(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes >> 20)
}

/// With owners and rights, between two disks.
fn move_to(from: &Path, to: &Path) -> anyhow::Result<()> {
    run("cp", &["-a", &from.to_string_lossy(), &to.to_string_lossy()])?;
    Ok(std::fs::remove_dir_all(from)?)
}
