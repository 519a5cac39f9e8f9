//! The role that carries events from each store to its topic.

use std::sync::Arc;

use event_schemas::{Context, ce_dataschema, ce_source, ce_type};
use event_store::Store;
use event_store::relay::{Begin, EventNames, Publishing, Relay, RelayConfig, RelayState};
use platform::readiness::Check;
use platform::shutdown::{Parts, Shutdown};

use super::{Process, Role};

/// A relay for each store of the process.
pub(super) fn start(process: &Process<'_>, parts: &mut Parts) -> anyhow::Result<()> {
    let instance = process.instance;
    let kafka = platform::kafka::client_config(&instance.kafka)?;
    // A broker that forgets is filled again only if somebody asks for it: readers catch up from the stores anyway.
    let begin = if instance.embedded_broker && !process.plan.full_topics { Begin::Head } else { Begin::First };
    let heads = crate::heads::signing(&instance.settings, process.spine.stores.keys().copied());
    let alone = process.plan.roles == [Role::Relay];
    for (context, store) in &process.spine.stores {
        let config = RelayConfig {
            kafka: kafka.clone(),
            publishing: publishing(*context, instance.settings.topics.topic(*context)),
            begin,
            replication: instance.kafka.replication,
            heads: heads.clone(),
        };
        let check = process.readiness.check(format!("relay-{context}"));
        parts.spawn("relay", run(store.clone(), config, check, alone, process.shutdown.clone()));
    }
    Ok(())
}

fn publishing(context: Context, topic: String) -> Publishing {
    let names = move |event_type: &str, version: &str| EventNames {
        event_type: ce_type(context, event_type, version),
        dataschema: ce_dataschema(context, event_type, version),
    };
    Publishing { topic, source: ce_source(context), names: Arc::new(names) }
}

async fn run(store: Store, config: RelayConfig, check: Check, alone: bool, shutdown: Shutdown) -> anyhow::Result<()> {
    let relay = Relay::start(&store, config, shutdown.token().clone());
    let mut state = relay.state();
    loop {
        report(&state.borrow_and_update(), &check, alone);
        tokio::select! {
            changed = state.changed() => if changed.is_err() { break },
            () = shutdown.begun() => break,
        }
    }
    anyhow::ensure!(shutdown.has_begun(), "the relay of `{}` ended by itself; the log says why", store.context());
    relay.ended().await;
    Ok(())
}

/// Commands go on while the broker is away, so that is a reason to take only a relay alone out of service.
fn report(state: &RelayState, check: &Check, alone: bool) {
    match state {
        RelayState::Standby | RelayState::Publishing { .. } => check.pass(),
        RelayState::WaitingForBroker(_) if !alone => {
            check.pass_but(format!("events wait in the store until the broker answers: {state}"));
        }
        RelayState::WaitingForBroker(_)
        | RelayState::Starting
        | RelayState::WaitingForStore(_)
        | RelayState::HistoryLost(_)
        | RelayState::Refused(_)
        | RelayState::Stopped => check.fail(state.to_string()),
    }
}
