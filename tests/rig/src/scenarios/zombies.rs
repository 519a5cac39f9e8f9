//! A process that stood still while others took its place, and goes on as if nothing had happened.

use std::time::Duration;

use crate::scenario::{Scenario, Setting};
use crate::world::World;

/// How long others may take to take a place over.
const TAKEN_OVER_MAX: Duration = Duration::from_secs(10);

pub(crate) const RELAY: Scenario = Scenario {
    name: "zombie-relay",
    about: "The leading relay is frozen, loses its lock, another one leads, and the old one wakes up.",
    lands: &["frozen", "sessions ended"],
    setting: Setting { twice: &["relay"], ..Setting::USUAL },
    run: |world| Box::pin(singleton(world, "relay", "% relay")),
};

pub(crate) const PROJECTOR: Scenario = Scenario {
    name: "zombie-projector",
    about: "The projector at work is frozen, loses its locks, another one takes over, and the old one wakes up.",
    lands: &["frozen", "sessions ended"],
    setting: Setting { twice: &["projector"], ..Setting::USUAL },
    run: |world| Box::pin(singleton(world, "projector", "handsel projector locks")),
};

pub(crate) const REACTOR: Scenario = Scenario {
    name: "zombie-reactor",
    about: "The process that runs the policies is frozen, loses its locks, another one leads, and the old one wakes \
            up.",
    lands: &["frozen", "sessions ended"],
    setting: Setting { twice: &["reactor"], ..Setting::USUAL },
    run: |world| Box::pin(singleton(world, "reactor", "handsel reactor lock")),
};

pub(crate) const COMMANDS: Scenario = Scenario {
    name: "zombie-command-api",
    about: "One of two command APIs is frozen while the other appends, and wakes up with what it knew.",
    lands: &["frozen"],
    setting: Setting { twice: &["command-api"], ..Setting::USUAL },
    run: |world| Box::pin(commands(world)),
};

async fn singleton(world: &mut World<'_>, kind: &str, sessions: &str) -> anyhow::Result<()> {
    world.go_on(1_000).await;
    for turn in 0..world.times(2, 6) {
        let name = if turn % 2 == 0 { kind.to_owned() } else { format!("{kind}-2") };
        if world.plan.null {
            world.go_on(1_000).await;
            continue;
        }
        // In the middle of whatever it is doing.
        world.go_on_between(0, 300).await;
        world.role(&name).freeze(true);
        world.go_on(50).await;
        let frozen = world.role(&name).is_frozen();
        world.landed_times("frozen", u64::from(frozen));
        let ended = format!(
            "select count(pg_terminate_backend(a.pid)) from pg_stat_activity a
              where a.datname = current_database() and a.application_name like '{sessions}'
                and exists (select from pg_locks l where l.pid = a.pid and l.locktype = 'advisory' and l.granted)"
        );
        let ended = world.number(&ended).await?.unsigned_abs();
        world.landed_times("sessions ended", ended);
        // Long enough for the other one to take over and work.
        world.go_on_between(1_500, 3_000).await;
        world.role(&name).freeze(false);
        let http = world.http.clone();
        world.role(&name).ready(&http, TAKEN_OVER_MAX).await?;
        world.go_on(1_000).await;
    }
    Ok(())
}

async fn commands(world: &mut World<'_>) -> anyhow::Result<()> {
    world.go_on(1_000).await;
    for turn in 0..world.times(2, 6) {
        let name = if turn % 2 == 0 { "command-api" } else { "command-api-2" };
        if !world.plan.null {
            world.go_on_between(0, 300).await;
            world.role(name).freeze(true);
            world.go_on(50).await;
            let frozen = world.role(name).is_frozen();
            world.landed_times("frozen", u64::from(frozen));
            world.go_on_between(1_500, 3_000).await;
            world.role(name).freeze(false);
        }
        world.go_on(1_000).await;
    }
    Ok(())
}
