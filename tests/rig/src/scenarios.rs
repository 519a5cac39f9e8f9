//! Every kind of trouble, a file for each family.

pub(crate) mod clock;
mod databases;
mod disks;
mod kafka;
mod network;
mod overload;
mod poison;
mod postgres;
mod races;
mod roles;
mod soak;
mod upgrades;
mod wal;
mod zombies;

use crate::scenario::{Scenario, Setting};

/// All of them, in the order in which they are run.
pub(crate) const ALL: &[&Scenario] = &[
    &CALM,
    &roles::KILLS,
    &roles::POINTS_KILLED,
    &roles::AT_SNAPSHOT,
    &roles::RELAY_AT_RECORD,
    &roles::PROJECTOR_AT_ROW,
    &zombies::RELAY,
    &zombies::PROJECTOR,
    &zombies::REACTOR,
    &zombies::COMMANDS,
    &races::APPENDS,
    &postgres::KILLS,
    &postgres::KILLS_ALONE,
    &postgres::IDLE_SESSION,
    &databases::RESTORED,
    &kafka::KILLS,
    &kafka::AWAY,
    &kafka::WIPED,
    &kafka::TAIL_CUT,
    &kafka::HEAD_CUT,
    &disks::POSTGRES,
    &wal::WAL,
    &disks::KAFKA,
    &disks::FOLDER,
    &network::PARTITIONS,
    &network::LOSS,
    &clock::JUMPS_OF_CLOCKS,
    &poison::EVENTS,
    &overload::SLOW_CONSUMER,
    &overload::THREEFOLD,
    &upgrades::TWO_VERSIONS,
    &upgrades::REBUILD,
    &soak::SOAK,
];

/// Nothing but the load: what is wrong here is wrong without any fault.
const CALM: Scenario = Scenario {
    name: "calm",
    about: "Nothing but the load.",
    lands: &[],
    setting: Setting::USUAL,
    run: |world| {
        Box::pin(async move {
            world.go_on(4_000).await;
            Ok(())
        })
    },
};

/// Finds a scenario by its name.
pub(crate) fn find(name: &str) -> anyhow::Result<&'static Scenario> {
    let found = ALL.iter().find(|scenario| scenario.name == name);
    found.copied().ok_or_else(|| {
        let known: Vec<&str> = ALL.iter().map(|scenario| scenario.name).collect();
        anyhow::anyhow!("there is no scenario `{name}`; there are: {}", known.join(", "))
    })
}
