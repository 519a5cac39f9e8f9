//! A disk is full.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::scenario::{Scenario, Setting};
use crate::world::World;

pub(crate) const POSTGRES: Scenario = Scenario {
    name: "disk-full-postgres",
    about: "The disk under the tables of the stores is full, and then is not.",
    lands: &["disks filled", "answers 503"],
    setting: Setting::USUAL,
    run: |world| Box::pin(postgres(world)),
};

pub(crate) const KAFKA: Scenario = Scenario {
    name: "disk-full-kafka",
    about: "The disk under Kafka's log is full; it is started again once there is room.",
    lands: &["disks filled", "writes refused"],
    setting: Setting::USUAL,
    run: |world| Box::pin(kafka(world)),
};

pub(crate) const FOLDER: Scenario = Scenario {
    name: "disk-full-folder",
    about: "The disk under the data folder of the roles is full.",
    lands: &["disks filled"],
    setting: Setting::USUAL,
    run: |world| Box::pin(folder(world)),
};

/// A small disk in memory, which goes with this value.
pub(super) struct Disk(PathBuf);

impl Disk {
    pub(super) fn mount(at: &Path, megabytes: u32) -> anyhow::Result<Self> {
        std::fs::create_dir_all(at)?;
        run("mount", &["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "none", &at.to_string_lossy()])?;
        Ok(Self(at.to_owned()))
    }

    /// Leaves no byte free; says how many were taken.
    pub(super) fn fill(&self) -> anyhow::Result<u64> {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.ballast())?;
        let block = [0_u8; 1 << 16];
        let (mut taken, mut size) = (0, block.len());
        while size > 0 {
            match file.write(&block[..size]) {
                Ok(bytes) if bytes > 0 => taken += bytes as u64,
                _ => size /= 4,
            }
        }
        Ok(taken)
    }

    pub(super) fn empty(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    pub(super) fn unmount(self) {
        drop(self);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = run("umount", &["-l", &self.0.to_string_lossy()]);
    }
}

pub(super) fn run(program: &str, words: &[&str]) -> anyhow::Result<()> {
    let done = std::process::Command::new(program).args(words).output().with_context(|| program.to_owned())?;
    ensure!(done.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

/// The tables move to a small disk, because the log of transactions must not be full too: that is another fault.
async fn postgres(world: &mut World<'_>) -> anyhow::Result<()> {
    let place = world.servers.folder.path().join(format!("small-{}", world.database));
    let disk = Disk::mount(&place, 96)?;
    let owner = world.servers.postgres.owner();
    let tables = place.join("tables");
    std::fs::create_dir(&tables)?;
    std::os::unix::fs::chown(&tables, Some(owner), Some(owner))?;
    let name = format!("small_{}", world.database);
    let made = format!("create tablespace {name} location '{}'", tables.display());
    world.servers.postgres.execute("postgres", &made).await?;
    for table in ["es_orders.events", "es_identity.events"] {
        world.execute(&format!("alter table {table} set tablespace {name}")).await?;
    }
    let filled = fill_under_load(world, &disk).await;
    // Whatever came of it, the tables must be off the disk before it is.
    let _ = disk.empty();
    world.rest().await;
    for table in ["es_orders.events", "es_identity.events"] {
        world.execute(&format!("alter table {table} set tablespace pg_default")).await?;
    }
    world.servers.postgres.execute("postgres", &format!("drop tablespace {name}")).await?;
    disk.unmount();
    filled
}

async fn fill_under_load(world: &mut World<'_>, disk: &Disk) -> anyhow::Result<()> {
    world.acknowledged(50, Duration::from_secs(20)).await?;
    for _ in 0..world.times(1, 3) {
        if !world.plan.null {
            let refused = unavailable(world);
            ensure!(disk.fill()? > 0, "the disk was full before");
            world.landed("disks filled");
            world.go_on(3_000).await;
            let refused = unavailable(world) - refused;
            world.landed_times("answers 503", refused);
            disk.empty()?;
        }
        world.acknowledged(50, Duration::from_secs(20)).await.context("after the disk had room again")?;
    }
    Ok(())
}

fn unavailable(world: &World<'_>) -> u64 {
    world.load.as_ref().map(|load| load.stats().summary().unavailable).unwrap_or_default()
}

async fn kafka(world: &mut World<'_>) -> anyhow::Result<()> {
    world.go_on(500).await;
    // A small disk takes the place of the log, which the relay has to notice too.
    world.servers.kafka.stop().await?;
    let disk = Disk::mount(&world.servers.kafka.data(), 256)?;
    world.servers.kafka.begin().await?;
    world.go_on(2_000).await;
    for _ in 0..world.times(1, 3) {
        if !world.plan.null {
            ensure!(disk.fill()? > 0, "the disk was full before");
            world.landed("disks filled");
            world.go_on(4_000).await;
            let refused = world.servers.kafka.said("No space left on device");
            world.landed_times("writes refused", refused);
            world.servers.kafka.kill().await?;
            disk.empty()?;
            world.servers.kafka.begin().await?;
        }
        world.go_on(2_500).await;
    }
    world.servers.kafka.stop().await?;
    disk.unmount();
    world.servers.kafka.begin().await
}

async fn folder(world: &mut World<'_>) -> anyhow::Result<()> {
    let data = world.data();
    let kept = files(&data)?;
    let disk = Disk::mount(&data, 1)?;
    for (path, bytes) in kept {
        std::fs::write(&path, bytes)?;
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    }
    world.stop_all().await?;
    world.start_all().await?;
    world.go_on(500).await;
    if !world.plan.null {
        ensure!(disk.fill()? > 0, "the disk was full before");
        world.landed("disks filled");
    }
    world.acknowledged(200, Duration::from_secs(20)).await?;
    // Who is started on a full disk serves too: everything that counts is in the databases.
    for name in super::roles::ROLES {
        super::roles::kill(world, name).await?;
    }
    world.landed.remove("kills");
    world.acknowledged(100, Duration::from_secs(20)).await?;
    if !world.plan.null {
        disk.empty()?;
    }
    world.rest().await;
    world.stop_all().await?;
    let back = files(&data)?;
    disk.unmount();
    for (path, bytes) in back {
        std::fs::write(path, bytes)?;
    }
    Ok(())
}

/// The files of a folder and what is in them.
fn files(folder: &Path) -> anyhow::Result<Vec<(PathBuf, Vec<u8>)>> {
    let entries = std::fs::read_dir(folder)?.filter_map(|entry| {
        let path = entry.ok()?.path();
        Some((path.clone(), std::fs::read(&path).ok()?))
    });
    Ok(entries.collect())
}
