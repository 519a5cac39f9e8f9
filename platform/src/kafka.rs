//! Kafka as this system uses it: how clients are set up, which partition a key belongs to, and how topics are declared.
//!
//! Everything here works the same on Apache Kafka and on the embedded broker.

mod partition;
pub mod topics;

pub use partition::partition_of;

use rdkafka::ClientConfig;

use crate::settings::{KafkaSettings, SettingsError};

/// Where the embedded broker listens unless told otherwise.
const EMBEDDED_BROKER: &str = "127.0.0.1:8492";

/// What every client of ours starts from: where the brokers are and how to get in.
///
/// Producers and consumers add to it what they need; nothing in it makes a client create topics.
///
/// # Errors
/// If the file with the password cannot be read.
pub fn client_config(settings: &KafkaSettings) -> Result<ClientConfig, SettingsError> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", settings.brokers.as_deref().unwrap_or(EMBEDDED_BROKER))
        .set("client.id", "handsel")
        // A broker that comes back is noticed at once, and one that is away is not hammered.
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        // Without Nagle: records are sent one by one when the system is idle.
        .set("socket.nagle.disable", "true")
        .set("socket.keepalive.enable", "true")
        .set("allow.auto.create.topics", "false");
    let ssl_ca = settings.ssl_ca.as_ref().map(|path| path.to_string_lossy().into_owned());
    let password = settings.sasl_password()?.map(|secret| secret.expose().to_owned());
    let fetch_wait_max_ms = settings.fetch_wait_max_ms.map(|ms| ms.to_string());
    let given = [
        ("security.protocol", settings.security_protocol.clone()),
        ("sasl.mechanism", settings.sasl_mechanism.clone()),
        ("sasl.username", settings.sasl_username.clone()),
        ("sasl.password", password),
        ("ssl.ca.location", ssl_ca),
        // Producers ignore it.
        ("fetch.wait.max.ms", fetch_wait_max_ms),
    ];
    for (key, value) in given {
        if let Some(value) = value {
            config.set(key, value);
        }
    }
    Ok(config)
}

#[cfg(test)]
mod tests;
