//! The role that does what follows from events: policies, their timers, and what they ask for.

use std::sync::Arc;

use platform::shutdown::Parts;
use reactors::webhooks;

use super::Process;
use crate::aggregates;

/// Calls to the simulated provider that are under way at once have so many connections.
const PROVIDER_CONNECTIONS_MAX: u32 = 8;

/// All policies of the process.
pub(super) fn start(process: &Process<'_>, parts: &mut Parts) -> anyhow::Result<()> {
    let stores = &process.spine.stores;
    let sender = aggregates::sender(stores)?;
    let url = process.instance.urls.views.clone();
    let provider = Arc::new(super::api::simulator(process, PROVIDER_CONNECTIONS_MAX)?);
    let config =
        reactors::Config { url, stores: stores.clone(), sender, provider, readiness: process.readiness.clone() };
    parts.spawn("reactor", reactors::run(config, process.shutdown.token().clone()));
    let delivering = webhooks::Config {
        url: process.instance.urls.views.clone(),
        stores: stores.clone(),
        secrets: super::api::webhook_secrets(process)?,
        sender: webhooks::Sender::new(super::api::webhook_targets(process))?,
        pace: webhooks::Pace::default(),
        readiness: process.readiness.clone(),
    };
    parts.spawn("webhooks", webhooks::run(delivering, process.shutdown.token().clone()));
    Ok(())
}
