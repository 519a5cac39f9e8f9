//! The relay carries the events of a store to their topic.
//!
//! The topic is the fast path and a copy; the store is the truth. So the relay never has to be certain of anything but
//! this: at rest, what stands in the topic lets a reader that takes a record only if `previous <= highest < position`
//! have every event once. It reaches that by publishing again whenever in doubt.
//!
//! - [`cursor`] and [`start`] decide; they do no I/O and are tested by random histories with wiped and truncated logs,
//!   dropped records, rivals and repeated reports.
//! - [`leader`] holds the lock and the row, [`producer`] and [`log`] speak Kafka, [`feed`] brings the events, and
//!   [`run`] drives them, one [`session`] per producer, which [`pump`]s.
//! - [`reading`] is the other side: what a reader of ours makes of a record.
//!
//! Kafka transactions are not used: they would give readers nothing that `previous` does not, and a stalled
//! transaction stops every reader of a partition.

pub(crate) mod cursor;
mod feed;
mod leader;
pub(crate) mod log;
mod producer;
mod publishing;
mod pump;
pub mod reading;
mod row;
mod run;
mod session;
pub(crate) mod start;
mod state;

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::publishing::{EventNames, Naming, Publishing};
pub use self::row::start_over;
pub use self::state::RelayState;
use crate::Store;
use crate::heads::HeadsConfig;

/// Where the log of a topic begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Begin {
    /// At the first event: the topic is whole.
    #[default]
    First,
    /// At the head of the store, if the topic is empty when the relay starts: for a broker that forgets everything at
    /// each exit, where filling it again would only cost memory and readers catch up from the store anyway.
    Head,
}

/// What a relay wants to know.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// How to reach the brokers.
    pub kafka: ClientConfig,
    /// Names of topic, source and types.
    pub publishing: Publishing,
    /// Where the log begins.
    pub begin: Begin,
    /// Copies of each partition, if the number of brokers is not to decide.
    pub replication: Option<i32>,
    /// How the head of the store is signed while this relay leads; `None`: it is not.
    pub heads: Option<HeadsConfig>,
}

/// A relay that runs, as leader or as the one who waits to lead.
#[derive(Debug)]
pub struct Relay {
    state: watch::Receiver<RelayState>,
    task: JoinHandle<()>,
}

/// How long the producer may take at shutdown to have acknowledged what is under way; the rest is published again.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

impl Relay {
    /// Starts a relay for this store; it runs until `stop` is cancelled, whatever happens to broker and database.
    #[must_use]
    pub fn start(store: &Store, config: RelayConfig, stop: CancellationToken) -> Self {
        let (publisher, state) = watch::channel(RelayState::Starting);
        let task = tokio::spawn(run::run(store.clone(), config, publisher, stop));
        Self { state, task }
    }

    /// What it is doing: for readiness, status and waiting in tests.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<RelayState> {
        self.state.clone()
    }

    /// Waits for its end after `stop` was cancelled.
    pub async fn ended(self) {
        // The task is never aborted; if it panicked, the panic was logged by the runtime.
        let _ended = self.task.await;
    }

    /// Ends it at once, as a crash would: nothing is saved and the lock falls with its connection.
    pub fn kill(self) {
        self.task.abort();
    }
}

/// Deletes every record of a store's topic: the first half of starting a new history; [`start_over`] is the other.
///
/// # Errors
/// When the broker is away or refuses.
pub async fn empty_topic(kafka: &ClientConfig, topic: &str, partitions: i32) -> anyhow::Result<()> {
    let log = log::Log::new(kafka, topic);
    let ends = match log.ends(usize::try_from(partitions)?).await {
        Ok(ends) => ends,
        // There is nothing to empty in a topic that was deleted.
        Err(log::LogError::Kafka(error)) if is_unknown(&error) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let filled: Vec<_> = ends.into_iter().enumerate().filter(|(_, end)| *end > 0).collect();
    if !filled.is_empty() {
        log.empty(&filled).await?;
    }
    Ok(())
}

fn is_unknown(error: &KafkaError) -> bool {
    let unknown =
        [RDKafkaErrorCode::UnknownTopic, RDKafkaErrorCode::UnknownPartition, RDKafkaErrorCode::UnknownTopicOrPartition];
    error.rdkafka_error_code().is_some_and(|code| unknown.contains(&code))
}
