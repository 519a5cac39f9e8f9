//! Causes that lie with Kafka: it is away, or a topic is not what was declared.

use event_schemas::{Context, PARTITIONS};
use handsel::settings::TopicSettings;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use tests::{Program, TestBroker, TestDatabase, broker, database};

use super::{EXE, Said, ask};

async fn ask_at(database: &TestDatabase, brokers: &str, prefix: &str) -> Said {
    let program = Program::new(EXE, &[], &[("DATABASE_URL", database.url()), ("KAFKA_BROKERS", brokers)]);
    ask(&program, &["--topic-prefix", prefix]).await
}

async fn make(broker: &TestBroker, partitions: i32, settings: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> = broker.client_config().create().unwrap();
    for context in Context::ALL {
        let name = broker.topic(context);
        let new = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        let new = settings.iter().fold(new, |new, (key, value)| new.set(key, value));
        admin.create_topics([&new], &AdminOptions::new()).await.unwrap();
    }
}

#[tokio::test]
async fn a_broker_that_is_away_is_named_and_its_topics_are_not_looked_at() {
    let database = database().await;
    let said = ask_at(&database, "127.0.0.1:1", "handsel").await;
    assert!(said.names("broker.unreachable").contains("127.0.0.1:1"));
    assert!(said.not_looked_at("topics"));
}

#[tokio::test]
async fn topics_that_are_missing_are_named() {
    let (database, broker) = (database().await, broker().await);
    let said = ask_at(&database, broker.brokers(), broker.prefix()).await;
    let missing = said.codes().iter().filter(|code| **code == "topics.missing").count();
    let declared = TopicSettings { topic_prefix: broker.prefix().to_owned() }.declared(None);
    assert_eq!(missing, declared.len(), "{:#}", said.seen);
    platform::kafka::topics::ensure(&broker.client_config(), &declared).await.unwrap();
    let said = ask_at(&database, broker.brokers(), broker.prefix()).await;
    assert!(!said.codes().iter().any(|code| code.starts_with("topics.")), "{:#}", said.seen);
}

#[tokio::test]
async fn a_topic_with_another_number_of_partitions_is_named() {
    let (database, broker) = (database().await, broker().await);
    make(&broker, 1, &[]).await;
    let said = ask_at(&database, broker.brokers(), broker.prefix()).await;
    assert!(said.names("topics.other-partitions").contains("1 partitions where 6 are declared"));
}

#[tokio::test]
async fn a_topic_that_forgets_is_named_with_the_setting() {
    let (database, broker) = (database().await, broker().await);
    make(&broker, PARTITIONS, &[("cleanup.policy", "compact"), ("retention.ms", "1000")]).await;
    let said = ask_at(&database, broker.brokers(), broker.prefix()).await;
    let seen = said.names("topics.forgets");
    assert!(seen.contains("retention.ms = 1000") && seen.contains("cleanup.policy = compact"), "{seen}");
}
