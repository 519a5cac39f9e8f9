//! A read model is built again, and two versions of its code are there at the same time.

use std::process::Stdio;

use tokio::process::Command;

use crate::scenario::{Scenario, Setting};
use crate::world::World;

pub(crate) const TWO_VERSIONS: Scenario = Scenario {
    name: "two-versions",
    about: "A projector of the next version starts beside the old one, rebuilds the views, and takes over.",
    lands: &["views taken over", "refused by the old version"],
    setting: Setting { twice: &["projector"], ..Setting::USUAL },
    run: |world| Box::pin(two_versions(world)),
};

pub(crate) const REBUILD: Scenario = Scenario {
    name: "rebuild-under-load",
    about: "Every read model is rebuilt under load; some rebuilds are killed in the middle and begun again.",
    lands: &["rebuilds killed", "rebuilds"],
    setting: Setting::USUAL,
    run: |world| Box::pin(rebuild(world)),
};

fn models() -> impl Iterator<Item = &'static str> {
    projectors::registry::READ_MODELS.iter().map(|model| model.name)
}

async fn two_versions(world: &mut World<'_>) -> anyhow::Result<()> {
    world.go_on(1_500).await;
    if world.plan.null {
        return Ok(());
    }
    let defect = world.plan.defect.clone().unwrap_or_else(|| "next-version".to_owned());
    let index = world.index("projector-2");
    world.roles[index].stop().await?;
    world.roles[index].set("HANDSEL_FAULTS", "defect=next-version");
    let program = world.servers.program.clone();
    // It is not ready before the views are of its version.
    world.roles[index].spawn(&program)?;
    world.go_on(1_500).await;
    for name in models() {
        let mut command = Command::new(&program);
        command
            .args(["rebuild", name, "--accept"])
            .env_clear()
            .envs(world.env()?)
            .env("HANDSEL_FAULTS", "defect=next-version");
        let done = command.output().await?;
        anyhow::ensure!(done.status.success(), "rebuilding {name}: {}", String::from_utf8_lossy(&done.stderr));
        world.landed("views taken over");
        world.go_on(300).await;
    }
    world.go_on(1_500).await;
    let refused =
        world.role("projector").said("was made by version") + world.role("projector").said("were made by version");
    world.landed_times("refused by the old version", refused);
    world.role("projector").stop().await?;
    let http = world.http.clone();
    world.role("projector-2").ready(&http, std::time::Duration::from_secs(10)).await?;
    world.go_on(1_000).await;
    // The rest of the run is of the version of the rig, as after a rollback.
    world.role("projector-2").stop().await?;
    world.role("projector-2").set("HANDSEL_FAULTS", &format!("defect={defect}").replace("next-version", ""));
    for name in models() {
        world.call(&["rebuild", name, "--accept"]).await?;
    }
    Ok(())
}

async fn rebuild(world: &mut World<'_>) -> anyhow::Result<()> {
    world.go_on(1_500).await;
    for _ in 0..world.times(1, 2) {
        for name in models() {
            if world.plan.null {
                continue;
            }
            let mut command = Command::new(&world.servers.program);
            command.args(["rebuild", name]).env_clear().envs(world.env()?);
            command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
            let mut child = command.spawn()?;
            world.go_on_between(20, 250).await;
            if child.try_wait()?.is_none() {
                child.kill().await?;
                world.landed("rebuilds killed");
            }
            world.call(&["rebuild", name]).await?;
            world.landed("rebuilds");
        }
    }
    Ok(())
}
