//! Topics are declared in one place and created with a plan that can be read first; never by a producer in passing,
//! because the broker's defaults would give them a wrong number of partitions and a retention that forgets.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigResource, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, metadata::Metadata};

/// How long a broker may take to answer a question about topics.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A topic as this program wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Fixed for ever, because another number moves keys to other partitions and breaks their order.
    pub partitions: i32,
    /// Copies of each partition; as many as there are brokers, three at most, unless this says so.
    pub replication: Option<i32>,
    /// Settings that differ from the broker's defaults.
    pub settings: BTreeMap<&'static str, &'static str>,
}

/// What has to be done so that the topics are as declared. Prints as a diff.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Topics that do not exist yet.
    pub creates: Vec<Create>,
    /// Settings that stand otherwise.
    pub alters: Vec<Alter>,
    /// Topics whose settings the broker does not tell, and why not: nobody knows whether they are as declared.
    pub unknown: Vec<(String, String)>,
}

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// What was declared.
    pub topic: Topic,
    /// How many copies it gets.
    pub replication: i32,
}

/// The settings of an existing topic to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alter {
    /// Which topic.
    pub topic: String,
    /// Setting, what it is, what it should be.
    pub changes: Vec<(&'static str, String, &'static str)>,
    /// What else was set on this topic and stays: the broker replaces all of them at once.
    kept: Vec<(String, String)>,
}

/// Why topics are not as declared.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// The settings of the client make no sense.
    #[error("no Kafka client can be made of the settings KAFKA_* ({0})")]
    Client(#[source] KafkaError),
    /// The broker is away or does not answer.
    #[error("the Kafka broker does not answer ({0}); check that it runs and that KAFKA_BROKERS is right")]
    Unavailable(#[source] KafkaError),
    /// The topic exists in another shape, which cannot be mended by changing it.
    #[error(
        "the topic `{topic}` has {found} partitions where {declared} are declared; \
         keys would move and lose their order, so this is refused: delete the topic or declare a new version of it"
    )]
    Partitions {
        /// Which topic.
        topic: String,
        /// As it should be.
        declared: i32,
        /// As it is.
        found: usize,
    },
    /// The broker refused a change.
    #[error("the Kafka broker refused to change the topic `{topic}`: {code}")]
    Refused {
        /// Which topic.
        topic: String,
        /// What it said.
        code: RDKafkaErrorCode,
    },
}

impl Topic {
    /// A topic of events: kept for ever and never compacted, because views are rebuilt and readers begin at its start.
    #[must_use]
    pub fn events(name: impl Into<String>, partitions: i32) -> Self {
        let settings = BTreeMap::from([
            ("cleanup.policy", "delete"),
            // Else a record that was stamped more than an hour ahead of the broker's clock is refused for good, and
            // everything behind it waits until that hour has come.
            ("message.timestamp.after.max.ms", "9223372036854775807"),
            ("retention.bytes", "-1"),
            ("retention.ms", "-1"),
        ]);
        Self { name: name.into(), partitions, replication: None, settings }
    }
}

impl Plan {
    /// Nothing has to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.creates.is_empty() && self.alters.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Create { topic, replication } in &self.creates {
            write!(f, "+ {} partitions={} replication={replication}", topic.name, topic.partitions)?;
            topic.settings.iter().try_for_each(|(key, value)| write!(f, " {key}={value}"))?;
            writeln!(f)?;
        }
        for alter in &self.alters {
            write!(f, "~ {}", alter.topic)?;
            alter.changes.iter().try_for_each(|(key, is, wanted)| write!(f, " {key}={is}->{wanted}"))?;
            writeln!(f)?;
        }
        for (topic, reason) in &self.unknown {
            writeln!(f, "? {topic} the broker does not tell its settings: {reason}")?;
        }
        Ok(())
    }
}

/// Compares what is declared with what the brokers have.
///
/// # Errors
/// A topic with another number of partitions, or a broker that is away.
pub async fn plan(config: &ClientConfig, declared: &[Topic]) -> Result<Plan, TopicsError> {
    let admin = client(config)?;
    let metadata = metadata(config).await?;
    let mut plan = Plan::default();
    for topic in declared {
        let found = metadata.topics().iter().find(|found| found.name() == topic.name);
        let Some(found) = found.filter(|found| !found.partitions().is_empty()) else {
            let brokers = i32::try_from(metadata.brokers().len()).unwrap_or(3).clamp(1, 3);
            let replication = topic.replication.unwrap_or(brokers);
            plan.creates.push(Create { topic: topic.clone(), replication });
            continue;
        };
        let partitions = found.partitions().len();
        if usize::try_from(topic.partitions) != Ok(partitions) {
            return Err(TopicsError::Partitions {
                topic: topic.name.clone(),
                declared: topic.partitions,
                found: partitions,
            });
        }
        match settings(&admin, topic).await {
            Ok(Some(found)) => plan.alters.extend(differing(topic, &found)),
            Ok(None) => {}
            Err(reason) => plan.unknown.push((topic.name.clone(), reason)),
        }
    }
    Ok(plan)
}

/// Does what the plan says. A topic that another process created meanwhile is fine.
///
/// # Errors
/// What the broker refused.
pub async fn apply(config: &ClientConfig, plan: &Plan) -> Result<(), TopicsError> {
    let admin = client(config)?;
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
    for Create { topic, replication } in &plan.creates {
        let mut new = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(*replication));
        new = topic.settings.iter().fold(new, |new, (key, value)| new.set(key, value));
        if *replication >= 3 {
            new = new.set("min.insync.replicas", "2");
        }
        let answers = admin.create_topics([&new], &options).await.map_err(TopicsError::Unavailable)?;
        refused(answers.into_iter().map(|answer| answer.map(drop)), RDKafkaErrorCode::TopicAlreadyExists)?;
        tracing::info!(topic = %topic.name, partitions = topic.partitions, replication, "Created the topic");
    }
    for alter in &plan.alters {
        let mut new = AlterConfig::new(ResourceSpecifier::Topic(&alter.topic));
        new = alter.kept.iter().fold(new, |new, (key, value)| new.set(key, value));
        new = alter.changes.iter().fold(new, |new, (key, _, wanted)| new.set(key, wanted));
        let answers = admin.alter_configs([&new], &options).await.map_err(TopicsError::Unavailable)?;
        let answers =
            answers.into_iter().map(|answer| answer.map(drop).map_err(|(_, code)| (alter.topic.clone(), code)));
        refused(answers, RDKafkaErrorCode::NoError)?;
        tracing::info!(topic = %alter.topic, "Changed the settings of the topic");
    }
    Ok(())
}

/// Plans and applies in one go.
///
/// # Errors
/// As [`plan`] and [`apply`].
pub async fn ensure(config: &ClientConfig, declared: &[Topic]) -> Result<(), TopicsError> {
    let plan = plan(config, declared).await?;
    for (topic, reason) in &plan.unknown {
        tracing::warn!(
            topic,
            reason,
            "The broker does not tell the settings of the topic; see that it keeps everything"
        );
    }
    if !plan.is_empty() {
        apply(config, &plan).await?;
        // A broker answers before its own view of the topic is complete; a second look also catches a rival's shape.
        self::plan(config, declared).await?;
    }
    Ok(())
}

fn client(config: &ClientConfig) -> Result<AdminClient<DefaultClientContext>, TopicsError> {
    config.create().map_err(TopicsError::Client)
}

/// Asks for all topics: to ask for one by name would create it on a broker that creates topics by itself.
async fn metadata(config: &ClientConfig) -> Result<Metadata, TopicsError> {
    let client = client(config)?;
    let asked = tokio::task::spawn_blocking(move || client.inner().fetch_metadata(None, TIMEOUT)).await;
    asked.unwrap_or(Err(KafkaError::Canceled)).map_err(TopicsError::Unavailable)
}

/// The settings of a topic as they stand.
async fn settings(admin: &AdminClient<DefaultClientContext>, topic: &Topic) -> Result<Option<ConfigResource>, String> {
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    let answers = admin.describe_configs([&ResourceSpecifier::Topic(&topic.name)], &options).await;
    let found = answers.map_err(|error| error.to_string())?.into_iter().next();
    found.transpose().map_err(|code| code.to_string())
}

/// A setting of which nothing is said is taken to be right: the embedded broker keeps few of them and forgets nothing.
fn differing(topic: &Topic, found: &ConfigResource) -> Option<Alter> {
    let entries = found.entry_map();
    let mut changes = Vec::new();
    for (key, wanted) in &topic.settings {
        match entries.get(key).and_then(|entry| entry.value.clone()) {
            Some(is) if is != *wanted => changes.push((*key, is, *wanted)),
            _ => {}
        }
    }
    let kept = found
        .entries
        .iter()
        .filter(|entry| entry.source == ConfigSource::DynamicTopic && !topic.settings.contains_key(entry.name.as_str()))
        .filter_map(|entry| Some((entry.name.clone(), entry.value.clone()?)))
        .collect();
    (!changes.is_empty()).then(|| Alter { topic: topic.name.clone(), changes, kept })
}

fn refused(
    answers: impl Iterator<Item = Result<(), (String, RDKafkaErrorCode)>>,
    harmless: RDKafkaErrorCode,
) -> Result<(), TopicsError> {
    for answer in answers {
        match answer {
            Err((topic, code)) if code != harmless => return Err(TopicsError::Refused { topic, code }),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
