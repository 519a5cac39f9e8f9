//! Whether Kafka answers.

use std::time::Duration;

use platform::kafka::{client_config, topics};

use super::{NotLooked, Patient, Seen};

/// Less than the client itself would wait.
const ANSWER_MAX: Duration = Duration::from_secs(5);

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    let Some(brokers) = &patient.kafka.brokers else {
        return Err(NotLooked::because("no broker runs and KAFKA_BROKERS names none"));
    };
    let config = client_config(&patient.kafka).map_err(|error| NotLooked::because(error.to_string()))?;
    let reason = match tokio::time::timeout(ANSWER_MAX, topics::plan(&config, &[])).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("it does not answer within {} s", ANSWER_MAX.as_secs()),
    };
    seen.error(
        "broker.unreachable",
        format!("Kafka at {brokers}: {reason}"),
        "commands and queries go on; events wait in the stores and are published when it is back",
        "start it, or mend KAFKA_BROKERS and the other KAFKA_ settings",
    );
    Ok(())
}
