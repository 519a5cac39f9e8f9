//! The role that keeps the read models.

use event_schemas::Context;
use platform::shutdown::Parts;

use super::Process;

/// All projections of the process, on one consumer.
pub(super) fn start(process: &Process<'_>, parts: &mut Parts) -> anyhow::Result<()> {
    let instance = process.instance;
    let kafka = match &instance.kafka.brokers {
        Some(_) => Some(platform::kafka::client_config(&instance.kafka)?),
        None => None,
    };
    let config = projectors::Config {
        views_url: instance.urls.views.clone(),
        kafka,
        topics: Context::ALL.map(|context| (context, instance.settings.topics.topic(context))).into(),
        group: instance.settings.topics.group(),
        embedded_broker: instance.embedded_broker,
        partitions: process.plan.partitions.clone(),
        only: process.plan.only.clone(),
        check: Some(process.readiness.check("projector")),
    };
    let (stores, keys) = (process.spine.readers(), process.spine.keys.clone());
    let (progress, shutdown) = (process.progress.clone(), process.shutdown.token().clone());
    parts.spawn("projector", projectors::run(config, stores, keys, progress, shutdown));
    Ok(())
}
