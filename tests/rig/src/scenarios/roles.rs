//! `kill -9` of each role, at any moment and at the places where the order of two writes matters.

use std::time::{Duration, Instant};

use crate::accounts::{self, register};
use crate::scenario::{Scenario, Setting};
use crate::world::{RESTART_MAX, RESTART_MAX_SHORT, World};

/// The roles, each of which can be killed at any time.
pub(crate) const ROLES: [&str; 5] = ["command-api", "relay", "projector", "query-api", "reactor"];
/// Where a process may end between two writes, and which role passes there.
const POINTS: &[(&str, &str)] = &[
    ("append.begins", "command-api"),
    ("append.committed", "command-api"),
    ("settle.locked", "command-api"),
    ("settle.appended", "command-api"),
    ("settle.committed", "command-api"),
    ("relay.term-begun", "relay"),
    ("relay.start-saved", "relay"),
    ("relay.handed-over", "relay"),
    ("relay.acknowledged", "relay"),
    ("relay.saved", "relay"),
    ("projection.advanced", "projector"),
    ("projection.applied", "projector"),
    ("projection.committed", "projector"),
    ("policy.advanced", "reactor"),
    ("policy.noted", "reactor"),
    ("policy.answered", "reactor"),
    ("effect.begun", "reactor"),
    ("effect.answered", "reactor"),
];
/// Renames of an account until it has had its snapshots.
const TRIES_MAX: usize = 600;
/// How long a place may take to be passed.
const PASSED_MAX: Duration = Duration::from_secs(15);

pub(crate) const KILLS: Scenario = Scenario {
    name: "kill-roles",
    about: "SIGKILL of a role at a random moment, again and again; it is started again at once.",
    lands: &["kills"],
    setting: Setting::USUAL,
    run: |world| Box::pin(kills(world)),
};

pub(crate) const POINTS_KILLED: Scenario = Scenario {
    name: "kill-at-points",
    about: "A role ends itself by SIGKILL where the order of two writes matters, each such place in turn.",
    lands: &["killed at a point"],
    setting: Setting { twice: &["command-api"], ..Setting::USUAL },
    run: |world| Box::pin(points(world)),
};

pub(crate) const AT_SNAPSHOT: Scenario = Scenario {
    name: "kill-at-snapshot",
    about: "An aggregate of hundreds of events: the process ends itself as it keeps a snapshot, and loads from it.",
    lands: &["killed at a point"],
    setting: Setting::USUAL,
    run: |world| Box::pin(at_snapshot(world)),
};

pub(crate) const RELAY_AT_RECORD: Scenario = Scenario {
    name: "kill-relay-at-record",
    about: "The relay ends itself by SIGKILL between handing records to Kafka and hearing of them.",
    lands: &["killed at a point"],
    setting: Setting { flood: Some(4), ..Setting::USUAL },
    run: |world| Box::pin(relay_at_record(world)),
};

pub(crate) const PROJECTOR_AT_ROW: Scenario = Scenario {
    name: "kill-projector-at-row",
    about: "The projector ends itself by SIGKILL between its checkpoint and its rows, and between rows and commit.",
    lands: &["killed at a point"],
    setting: Setting::USUAL,
    run: |world| Box::pin(projector_at_row(world)),
};

/// Renames one account until it has had a snapshot made of it, and a few times more.
async fn at_snapshot(world: &mut World<'_>) -> anyhow::Result<()> {
    world.complete = false;
    let index = world.index("command-api");
    let url = world.roles[index].url();
    let account = register(world, &url, "Hot").await?;
    let mut version = 1;
    for turn in 0..world.times(2, 10) {
        if !world.plan.null {
            world.roles[index].stop().await?;
            let pass = 1 + u64::from(turn % 2);
            set_trap(world, index, "snapshot.kept", pass);
            world.start(index).await?;
        }
        for _ in 0..TRIES_MAX {
            if version % 210 == 0 {
                break;
            }
            let (passed, at) = rename(world, &url, &account, version).await;
            version = at;
            if !passed && world.roles[index].was_killed() {
                world.landed("killed at a point");
                *world.figures.entry("killed at snapshot.kept".to_owned()).or_default() += 1.0;
                clear_trap(world, index);
                restart(world, index).await?;
            }
        }
        version = rename(world, &url, &account, version).await.1;
    }
    clear_trap(world, index);
    Ok(())
}

/// Whether the rename was answered, and the version that the account has now.
async fn rename(world: &World<'_>, url: &str, account: &str, version: i64) -> (bool, i64) {
    match accounts::rename(world, url, account, version, &format!("Hot {version}")).await {
        Ok(204) => (true, version + 1),
        // The last one had been done when its answer was lost.
        Ok(412) => (true, version + 1),
        _ => (false, version),
    }
}

async fn relay_at_record(world: &mut World<'_>) -> anyhow::Result<()> {
    for _ in 0..world.times(2, 10) {
        for point in ["relay.handed-over", "relay.acknowledged"] {
            let pass = 20 + world.dice.below(200);
            die_at(world, "relay", point, pass).await?;
        }
    }
    Ok(())
}

async fn projector_at_row(world: &mut World<'_>) -> anyhow::Result<()> {
    for _ in 0..world.times(2, 10) {
        for point in ["projection.advanced", "projection.applied"] {
            let pass = 5 + world.dice.below(30);
            die_at(world, "projector", point, pass).await?;
        }
    }
    Ok(())
}

async fn kills(world: &mut World<'_>) -> anyhow::Result<()> {
    world.go_on(500).await;
    for _ in 0..world.times(8, 220) {
        let name = *world.dice.pick(&ROLES);
        kill(world, name).await?;
        world.go_on_between(100, 900).await;
    }
    Ok(())
}

/// Kills a role and starts it again.
pub(crate) async fn kill(world: &mut World<'_>, name: &str) -> anyhow::Result<()> {
    let index = world.index(name);
    if world.plan.null {
        return Ok(());
    }
    world.roles[index].kill().await?;
    world.landed("kills");
    restart(world, index).await
}

async fn restart(world: &mut World<'_>, index: usize) -> anyhow::Result<()> {
    let took = world.start(index).await?;
    world.worst("slowest restart ms", took.as_secs_f64() * 1_000.0);
    // A planted mistake has to be found by what it does, not by a machine that is slow at the moment.
    let max = if world.plan.long { RESTART_MAX } else { RESTART_MAX_SHORT };
    if took > max && world.plan.defect.is_none() {
        let name = &world.roles[index].name;
        let what = format!("{name} served again only after {} ms", took.as_millis());
        world.violation(what);
    }
    Ok(())
}

async fn points(world: &mut World<'_>) -> anyhow::Result<()> {
    for _ in 0..world.times(1, 5) {
        for (point, name) in POINTS {
            let pass =
                1 + world.dice.below(if point.starts_with("relay.t") || point.starts_with("relay.s") { 1 } else { 20 });
            die_at(world, name, point, pass).await?;
        }
    }
    Ok(())
}

/// Starts a role anew so that it ends itself at a place, and then as it should be.
pub(crate) async fn die_at(world: &mut World<'_>, name: &str, point: &str, pass: u64) -> anyhow::Result<()> {
    if world.plan.null {
        return Ok(());
    }
    let index = world.index(name);
    world.roles[index].stop().await?;
    set_trap(world, index, point, pass);
    let program = world.servers.program.clone();
    world.roles[index].spawn(&program)?;
    let begun = Instant::now();
    while world.roles[index].runs() && begun.elapsed() < PASSED_MAX {
        world.go_on(5).await;
    }
    if world.roles[index].was_killed() {
        world.landed("killed at a point");
        *world.figures.entry(format!("killed at {point}")).or_default() += 1.0;
    } else {
        let what = format!("{name} never passed {point} for the {pass}. time");
        world.violation(what);
        world.roles[index].kill().await?;
    }
    clear_trap(world, index);
    restart(world, index).await
}

/// At its next start the role ends itself when it passes a place for so manieth a time.
fn set_trap(world: &mut World<'_>, index: usize, point: &str, pass: u64) {
    world.tell(index, &format!("{point}=kill@{pass}"));
}

fn clear_trap(world: &mut World<'_>, index: usize) {
    world.tell(index, "");
}
