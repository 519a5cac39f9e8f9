//! A broker for a test: one of its own in memory, or the Apache Kafka that `KAFKA_BROKERS` names, shared by prefix.

use std::net::SocketAddr;

use platform::embedded::broker::EmbeddedBroker;
use platform::settings::KafkaSettings;
use rdkafka::ClientConfig;

use crate::background;

/// Where a test's topics are. The embedded broker ends with this value.
#[derive(Debug)]
pub struct TestBroker {
    brokers: String,
    prefix: String,
    forgets: bool,
    embedded: Option<EmbeddedBroker>,
}

/// A broker with no topic of anybody else's under this test's prefix.
///
/// # Panics
/// If it cannot be started.
pub async fn broker() -> TestBroker {
    if let Ok(brokers) = std::env::var("KAFKA_BROKERS") {
        let prefix = format!("test-{}", uuid::Uuid::new_v4().simple());
        return TestBroker { brokers, prefix, forgets: false, embedded: None };
    }
    embedded_broker().await
}

/// An embedded broker, also where another one was named: one that a test can stop.
///
/// # Panics
/// If it cannot be started.
pub async fn embedded_broker() -> TestBroker {
    let embedded = start(([127, 0, 0, 1], 0).into()).await;
    let brokers = embedded.address().to_string();
    TestBroker { brokers, prefix: "handsel".to_owned(), forgets: true, embedded: Some(embedded) }
}

async fn start(address: SocketAddr) -> EmbeddedBroker {
    background::run(move || async move { EmbeddedBroker::start(address).await.expect("the embedded broker starts") })
        .await
}

impl TestBroker {
    /// As `KAFKA_BROKERS` names it.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// What its topics' names begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether it is the one that forgets.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.forgets
    }

    /// Takes the embedded broker away, with everything that it held.
    ///
    /// # Panics
    /// If it is another broker, or away already.
    pub async fn stop(&mut self) {
        let embedded = self.embedded.take().expect("an embedded broker is there");
        background::run(move || embedded.stop()).await;
    }

    /// Brings an empty one back to where it was.
    ///
    /// # Panics
    /// If the port was taken meanwhile.
    pub async fn start_again(&mut self) {
        self.embedded = Some(start(self.brokers.parse().expect("it was an address")).await);
    }

    /// The topic of a context.
    #[must_use]
    pub fn topic(&self, context: event_schemas::Context) -> String {
        context.topic().replacen("handsel", &self.prefix, 1)
    }

    /// How clients reach it.
    ///
    /// # Panics
    /// Never: there is no password to read.
    #[must_use]
    pub fn client_config(&self) -> ClientConfig {
        platform::kafka::client_config(&self.settings()).expect("nothing has to be read")
    }

    /// The same as settings.
    #[must_use]
    pub fn settings(&self) -> KafkaSettings {
        KafkaSettings {
            brokers: Some(self.brokers.clone()),
            security_protocol: None,
            sasl_mechanism: None,
            sasl_username: None,
            sasl_password: None,
            sasl_password_file: None,
            ssl_ca: None,
            replication: None,
            fetch_wait_max_ms: None,
        }
    }
}
