//! Clocks jump: that of Postgres and those of the roles, each by its own measure.

use std::path::{Path, PathBuf};

use crate::scenario::{Scenario, Setting};
use crate::world::World;

/// Where Debian puts it.
const LIBRARIES: [&str; 2] =
    ["/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"];
const JUMPS: [&str; 6] = ["+3600", "-3600", "+0", "-86400", "+86400", "+0"];

pub(crate) const JUMPS_OF_CLOCKS: Scenario = Scenario {
    name: "clock-jumps",
    about: "The clocks of Postgres and of the roles jump by hours and days, forwards and backwards, apart.",
    lands: &["jumps", "seconds that Postgres jumped"],
    setting: Setting { clock: true, ..Setting::USUAL },
    run: |world| Box::pin(jumps(world)),
};

/// The library that shows other times to a program, if it is installed.
pub(crate) fn library() -> Option<PathBuf> {
    LIBRARIES.iter().map(PathBuf::from).find(|path| path.exists())
}

async fn jumps(world: &mut World<'_>) -> anyhow::Result<()> {
    let Some(library) = library() else { anyhow::bail!("libfaketime is not installed") };
    let (of_postgres, of_roles) = (world.folder.join("postgres.time"), world.folder.join("roles.time"));
    set(&of_postgres, "+0")?;
    set(&of_roles, "+0")?;
    let told = |file: &Path| {
        [
            ("LD_PRELOAD", library.to_string_lossy().into_owned()),
            ("FAKETIME_TIMESTAMP_FILE", file.to_string_lossy().into_owned()),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            // What waits must not wait for hours.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    };
    world.rest().await;
    world.servers.postgres.stop().await?;
    world.servers.postgres.begin(&told(&of_postgres)).await?;
    for index in 0..world.roles.len() {
        for (name, value) in told(&of_roles) {
            world.roles[index].set(&name, &value);
        }
    }
    world.stop_all().await?;
    world.start_all().await?;
    world.work()?;
    world.go_on(1_000).await;
    for _ in 0..world.times(1, 3) {
        for jump in JUMPS {
            if !world.plan.null {
                let before = world.number(NOW).await?;
                set(&of_postgres, jump)?;
                let other = *world.dice.pick::<&str>(&JUMPS);
                set(&of_roles, other)?;
                world.landed("jumps");
                world.go_on(1_300).await;
                let jumped = (world.number(NOW).await? - before).abs();
                if jumped > 60 {
                    world.landed_times("seconds that Postgres jumped", jumped.unsigned_abs());
                }
                // The appender asks for the time when it connects.
                world
                    .execute(
                        "select pg_terminate_backend(pid) from pg_stat_activity
                                where datname = current_database() and application_name like '% appender'",
                    )
                    .await?;
            }
            world.go_on(700).await;
        }
    }
    set(&of_postgres, "+0")?;
    set(&of_roles, "+0")?;
    world.rest().await;
    world.servers.postgres.stop().await?;
    world.servers.postgres.begin(&[]).await?;
    for index in 0..world.roles.len() {
        world.roles[index].set("LD_PRELOAD", "");
        // Not asked to end: behind the library a process whose time was set back may hear no signal for an hour.
        world.roles[index].kill().await?;
    }
    world.start_all().await
}

const NOW: &str = "select extract(epoch from clock_timestamp())::bigint";

fn set(file: &Path, offset: &str) -> anyhow::Result<()> {
    Ok(std::fs::write(file, format!("{offset}\n"))?)
}
