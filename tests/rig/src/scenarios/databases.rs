//! A database is restored to an earlier point, and what came after is gone.

use event_schemas::Context;

use crate::scenario::{Scenario, Setting};
use crate::world::World;

pub(crate) const RESTORED: Scenario = Scenario {
    name: "database-restored",
    about: "The stores are restored to an earlier point behind the back of topics and views, and go on from there.",
    lands: &["lost events", "refused by appenders", "refused by relays", "refused by projections"],
    // Money that was moved outside is not restored with the stores.
    setting: Setting { views_apart: true, trade: false, ..Setting::USUAL },
    run: |world| Box::pin(restored(world)),
};

/// How long the others may take to notice.
const NOTICED_MAX: u64 = 15_000;

async fn restored(world: &mut World<'_>) -> anyhow::Result<()> {
    world.go_on(1_500).await;
    pause(world).await?;
    let copy = format!("{}_copy", world.database);
    let database = world.database.clone();
    world.servers.postgres.execute("postgres", &format!("create database {copy} template {database}")).await?;
    world.start_all().await?;
    world.work()?;
    world.go_on(1_500).await;
    pause(world).await?;
    if world.plan.null {
        world.servers.postgres.execute("postgres", &format!("drop database {copy}")).await?;
        world.start_all().await?;
        return world.work();
    }
    let events = "select (select count(*) from es_orders.events) + (select count(*) from es_identity.events)";
    let before = world.number(events).await?;
    world.servers.postgres.execute("postgres", &format!("drop database {database}")).await?;
    world.servers.postgres.execute("postgres", &format!("alter database {copy} rename to {database}")).await?;
    let lost = before - world.number(events).await?;
    world.landed_times("lost events", lost.unsigned_abs());
    world.complete = false;
    // What was acknowledged is gone, as everybody knows: from here on it counts again.
    std::fs::rename(world.journal(), world.journal().with_extension("lost"))?;
    for index in 0..world.roles.len() {
        let program = world.servers.program.clone();
        world.roles[index].spawn(&program)?;
    }
    refused(world).await?;
    go_on_elsewhere(world).await?;
    // Until somebody recovers them, positions of the stores mean two things, and a view that has those that are lost
    // takes a token to be fulfilled. `docs/reliability.md` says so.
    world.rate.reads = false;
    world.work()?;
    noticed(world).await?;
    world.rest().await;
    world.rate.reads = true;
    recover(world).await
}

/// Whoever can see what was signed appends nothing.
async fn refused(world: &mut World<'_>) -> anyhow::Result<()> {
    for _ in 0..NOTICED_MAX / 100 {
        world.go_on(100).await;
        let refused = world.role("command-api").said("takes no commands, because it lost events");
        if refused > 0 {
            world.landed_times("refused by appenders", refused);
            return Ok(());
        }
    }
    world.violation("I5: commands are taken by a store that is not what was signed");
    Ok(())
}

/// Whoever cannot see it goes on: the same role with a folder that has the keys and no heads.
async fn go_on_elsewhere(world: &mut World<'_>) -> anyhow::Result<()> {
    let index = world.index("command-api");
    world.roles[index].stop().await?;
    let elsewhere = world.folder.join("elsewhere");
    std::fs::create_dir_all(&elsewhere)?;
    for entry in std::fs::read_dir(world.data())? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), elsewhere.join(entry.file_name()))?;
        }
    }
    world.roles[index].set("HANDSEL_DATA_DIR", &elsewhere.to_string_lossy());
    world.start(index).await?;
    Ok(())
}

/// Somebody has to notice that positions are used for other events now.
async fn noticed(world: &mut World<'_>) -> anyhow::Result<()> {
    for _ in 0..NOTICED_MAX / 100 {
        world.go_on(100).await;
        let relay = world.role("relay").said("recover");
        let projector = world.role("projector").said("recover");
        if relay > 0 && projector > 0 {
            world.landed_times("refused by relays", relay);
            world.landed_times("refused by projections", projector);
            return Ok(());
        }
    }
    world.violation("I10: nobody noticed that the stores are not those from which topics and views were filled");
    Ok(())
}

/// What the log says to do.
async fn recover(world: &mut World<'_>) -> anyhow::Result<()> {
    world.stop_all().await?;
    std::fs::rename(world.journal(), world.journal().with_extension("early"))?;
    for context in Context::ALL {
        world.call(&["recover", context.name()]).await?;
    }
    let (index, data) = (world.index("command-api"), world.data());
    world.roles[index].set("HANDSEL_DATA_DIR", &data.to_string_lossy());
    world.start_all().await?;
    world.work()?;
    world.go_on(1_500).await;
    Ok(())
}

/// Ends load and processes, so that nobody is connected.
async fn pause(world: &mut World<'_>) -> anyhow::Result<()> {
    world.rest().await;
    world.stop_all().await
}
