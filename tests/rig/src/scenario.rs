//! What a scenario is.

use futures::future::LocalBoxFuture;

use crate::world::World;

/// One kind of trouble. Everything but the trouble is the same in all of them: the load, the rest, the verifier.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What is done to the system, for readers of the report.
    pub(crate) about: &'static str,
    /// The counters that move if, and only if, the fault lands.
    pub(crate) lands: &'static [&'static str],
    /// What has to be set up besides one process per role.
    pub(crate) setting: Setting,
    /// Does it, while the load goes on. In a null run the world refuses all faults.
    pub(crate) run: for<'w> fn(&'w mut World) -> LocalBoxFuture<'w, anyhow::Result<()>>,
}

/// What differs from the usual world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// A second process of these kinds.
    pub(crate) twice: &'static [&'static str],
    /// No load but what the scenario makes itself.
    pub(crate) quiet: bool,
    /// As fast as commands are answered, with so many clients.
    pub(crate) flood: Option<u32>,
    /// The load places orders, which are reserved, paid and sent.
    pub(crate) trade: bool,
    /// The read models lie in a database of their own.
    pub(crate) views_apart: bool,
    /// The machine has to be able to drop packets.
    pub(crate) network: bool,
    /// Time as processes see it has to be changeable.
    pub(crate) clock: bool,
}

impl Setting {
    /// One process per role, the usual load, no demands on the machine.
    pub(crate) const USUAL: Self =
        Self { twice: &[], quiet: false, flood: None, trade: true, views_apart: false, network: false, clock: false };
}
