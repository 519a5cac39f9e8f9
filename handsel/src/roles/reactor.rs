//! The role that does what follows from events: policies, their timers, and what they ask for.

use std::sync::Arc;

use anyhow::Context as _;
use event_schemas::Context;
use platform::shutdown::Parts;
use reactors::mail::{Mailer, Post};
use reactors::webhooks;

use super::Process;
use crate::aggregates;

/// Calls to the simulated provider that are under way at once have so many connections.
const PROVIDER_CONNECTIONS_MAX: u32 = 8;

/// All policies of the process.
pub(super) fn start(process: &Process<'_>, parts: &mut Parts) -> anyhow::Result<()> {
    let stores = process.spine.stores.clone();
    let sender = aggregates::sender(&stores)?;
    let url = process.instance.urls.views.clone();
    let provider = Arc::new(super::api::simulator(process, PROVIDER_CONNECTIONS_MAX)?);
    let (mailer, readiness) = (mailer(process)?, process.readiness.clone());
    let config = reactors::Config { url, stores, sender, provider, mailer, readiness };
    parts.spawn("reactor", reactors::run(config, process.shutdown.token().clone()));
    let delivering = webhooks::Config {
        url: process.instance.urls.views.clone(),
        stores: process.spine.stores.clone(),
        secrets: super::api::webhook_secrets(process)?,
        sender: webhooks::Sender::new(super::api::webhook_targets(process))?,
        pace: webhooks::Pace::default(),
        readiness: process.readiness.clone(),
    };
    parts.spawn("webhooks", webhooks::run(delivering, process.shutdown.token().clone()));
    Ok(())
}

/// Who sends mail, as it is set.
fn mailer(process: &Process<'_>) -> anyhow::Result<Mailer> {
    let settings = &process.instance.settings.mail;
    let accounts = process.spine.stores.get(&Context::Identity);
    let accounts = accounts.context("mail goes to accounts, and this process does not have the store `identity`")?;
    let keys = process.spine.keys.clone().context("the keys of personal data were not opened")?;
    let post = Post::of(settings.url()?.as_ref(), settings.from())?;
    Ok(Mailer::new(aggregates::accounts(accounts), keys, post))
}
