//! What every role and every command can be told, by flag or environment.

use clap::{Args, Parser};
use event_schemas::Context;
use platform::kafka::topics::Topic;
use platform::settings::{
    DataSettings, DatabaseSettings, EmbeddedSettings, HeadsSettings, HttpSettings, KafkaSettings, MailSettings,
    PaymentsSettings, ReadsSettings, SearchSettings,
};

/// Where the data is and which servers hold it. The same for every command, so that each finds the same instance.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// The data folder.
    #[command(flatten)]
    pub data: DataSettings,
    /// The databases.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// Kafka.
    #[command(flatten)]
    pub kafka: KafkaSettings,
    /// Names of topics.
    #[command(flatten)]
    pub topics: TopicSettings,
    /// The servers that come along.
    #[command(flatten)]
    pub embedded: EmbeddedSettings,
    /// How heads are signed and checked.
    #[command(flatten)]
    pub heads: HeadsSettings,
    /// The simulated payment provider.
    #[command(flatten)]
    pub payments: PaymentsSettings,
    /// Where mail goes.
    #[command(flatten)]
    pub mail: MailSettings,
}

/// How topics are called.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Kafka")]
pub struct TopicSettings {
    /// What the names of topics begin with, so that several instances can share a Kafka.
    #[arg(long, env = "HANDSEL_TOPIC_PREFIX", value_name = "NAME", default_value = PREFIX)]
    pub topic_prefix: String,
}

/// What a role that answers HTTP can be told as well.
#[derive(Args, Clone, Debug)]
pub struct ServerSettings {
    /// What every command can be told.
    #[command(flatten)]
    pub common: Settings,
    /// Where to listen.
    #[command(flatten)]
    pub http: HttpSettings,
    /// Search.
    #[command(flatten)]
    pub search: SearchSettings,
    /// What is kept of what was read.
    #[command(flatten)]
    pub reads: ReadsSettings,
}

impl ServerSettings {
    /// From words as they would be typed; the environment fills what they leave out.
    ///
    /// # Errors
    /// If they cannot be understood.
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> anyhow::Result<Self> {
        #[derive(Parser)]
        #[command(no_binary_name = true)]
        struct Words {
            #[command(flatten)]
            server: ServerSettings,
        }
        Ok(Words::try_parse_from(words)?.server)
    }
}

/// The part of a topic's published name that a prefix replaces.
const PREFIX: &str = "handsel";

impl TopicSettings {
    /// Takes another prefix unless one was chosen here.
    pub(crate) fn prefer(&mut self, prefix: &str) {
        if self.topic_prefix == PREFIX && !prefix.is_empty() {
            prefix.clone_into(&mut self.topic_prefix);
        }
    }

    /// The topic of a context under this prefix.
    #[must_use]
    pub fn topic(&self, context: Context) -> String {
        let published = context.topic();
        published
            .strip_prefix(PREFIX)
            .map_or_else(|| published.to_owned(), |rest| format!("{}{rest}", self.topic_prefix))
    }

    /// The topic of the signed heads of all stores.
    #[must_use]
    pub fn heads(&self) -> String {
        format!("{}.operations.heads.v1", self.topic_prefix)
    }

    /// The consumer group of the projections that read them.
    #[must_use]
    pub fn group(&self) -> String {
        format!("{}.projector.v1", self.topic_prefix)
    }

    /// Every topic there is, as it should be, with so many copies of each partition, or as many as the brokers suggest.
    #[must_use]
    pub fn declared(&self, replication: Option<i32>) -> Vec<Topic> {
        let topic = |context| Topic { replication, ..Topic::events(self.topic(context), event_schemas::PARTITIONS) };
        let heads = event_store::heads::topic::declared(&self.heads(), replication);
        Context::ALL.map(topic).into_iter().chain([heads]).collect()
    }
}
