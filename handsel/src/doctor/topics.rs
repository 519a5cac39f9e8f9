//! Whether every topic is there, in its shape, and keeps what it holds.

use std::time::Duration;

use platform::kafka::client_config;
use platform::kafka::topics::{self, TopicsError};

use super::{NotLooked, Patient, Seen};

const ANSWER_MAX: Duration = Duration::from_secs(5);

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    if patient.kafka.brokers.is_none() {
        return Err(NotLooked::because("no broker runs and KAFKA_BROKERS names none"));
    }
    let config = client_config(&patient.kafka).map_err(|error| NotLooked::because(error.to_string()))?;
    for topic in patient.settings.common.topics.declared(patient.kafka.replication) {
        let name = topic.name.clone();
        let planned = tokio::time::timeout(ANSWER_MAX, topics::plan(&config, &[topic])).await;
        match planned.map_err(|_| NotLooked::because("the broker does not answer"))? {
            Ok(plan) => say(&plan, seen),
            Err(error @ TopicsError::Partitions { .. }) => seen.error(
                "topics.other-partitions",
                error.to_string(),
                "the relay does not publish to it, and readers would get the events of one key out of order",
                format!("delete `{name}` and `handsel migrate`; the relay publishes everything again"),
            ),
            Err(error) => return Err(NotLooked::because(error.to_string())),
        }
    }
    Ok(())
}

fn say(plan: &topics::Plan, seen: &mut Seen) {
    for create in &plan.creates {
        seen.error(
            "topics.missing",
            format!("Kafka has no topic `{}`", create.topic.name),
            "nothing of this context is published; read models are fed from the stores meanwhile",
            "`handsel migrate` makes it; a relay does so when it begins to lead",
        );
    }
    for alter in &plan.alters {
        let changes: Vec<_> =
            alter.changes.iter().map(|(key, is, wanted)| format!("{key} = {is} instead of {wanted}")).collect();
        seen.error(
            "topics.forgets",
            format!("the topic `{}` has {}", alter.topic, changes.join(", ")),
            "it forgets or compacts events, and readers from outside never get them",
            "`handsel migrate` sets it right; what is gone from the topic stays in the store",
        );
    }
    for (topic, reason) in &plan.unknown {
        seen.not_looked(NotLooked::because(format!("the broker does not tell the settings of `{topic}`: {reason}")));
    }
}
