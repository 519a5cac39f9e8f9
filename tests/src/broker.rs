//! A broker for a test: one of its own in memory, or the Apache Kafka that `KAFKA_BROKERS` names, shared by prefix.

use platform::embedded::broker::EmbeddedBroker;
use platform::settings::KafkaSettings;
use rdkafka::ClientConfig;

use crate::background;

/// Where a test's topics are. The embedded broker ends with this value.
#[derive(Debug)]
pub struct TestBroker {
    brokers: String,
    prefix: String,
    embedded: Option<EmbeddedBroker>,
}

/// A broker with no topic of anybody else's under this test's prefix.
///
/// # Panics
/// If it cannot be started.
pub async fn broker() -> TestBroker {
    if let Ok(brokers) = std::env::var("KAFKA_BROKERS") {
        let prefix = format!("test-{}", uuid::Uuid::new_v4().simple());
        return TestBroker { brokers, prefix, embedded: None };
    }
    background::run(|| async {
        let embedded = EmbeddedBroker::start(([127, 0, 0, 1], 0).into()).await.expect("the embedded broker starts");
        TestBroker { brokers: embedded.address().to_string(), prefix: "handsel".to_owned(), embedded: Some(embedded) }
    })
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
        self.embedded.is_some()
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
