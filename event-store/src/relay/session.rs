//! One producer's life: look at the log, decide where to start, publish, and end at the first error.

use envelope::Position;
use platform::faults;
use platform::kafka::topics::{self, Topic, TopicsError};
use platform::telemetry::messaging::Sending;
use rdkafka::error::KafkaError;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::cursor::{Cursor, Kept, LogReset};
use super::leader::{Dethroned, Leader};
use super::log::{Log, LogError};
use super::producer::Producer;
use super::publishing::HeaderMaker;
use super::pump::{Pump, drain, keep};
use super::start::{Plan, Seen, doubt, plan};
use super::state::RelayState;
use super::{Begin, RelayConfig};
use crate::{Committed, Reader, StoreError};

/// The term of the first leader that a store ever had.
const FIRST_TERM: i64 = 1;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("it was told to stop")]
    Stopped,
    #[error(transparent)]
    Dethroned(#[from] Dethroned),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Topics(#[from] TopicsError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{0}")]
    Producer(#[from] KafkaError),
    #[error(transparent)]
    Reset(#[from] LogReset),
    #[error("{0}")]
    HistoryLost(String),
}

/// What outlives a session and belongs to the process.
pub(crate) struct Session<'a> {
    pub(crate) config: &'a RelayConfig,
    pub(crate) reader: &'a Reader,
    pub(crate) committed: &'a mut mpsc::Receiver<Committed>,
    pub(crate) state: &'a watch::Sender<RelayState>,
    pub(crate) stop: &'a CancellationToken,
    /// The last event that this process published: if the store has another one there, it lost events.
    pub(crate) last_seen: &'a mut Option<(Position, Uuid)>,
    /// Whether this process has looked at the log before.
    pub(crate) begun: &'a mut bool,
}

impl Session<'_> {
    /// Leads until something ends it.
    pub(crate) async fn lead(&mut self, leader: &mut Leader) -> Ended {
        let stop = self.stop.clone();
        let prepared = tokio::select! {
            () = stop.cancelled() => Err(Ended::Stopped),
            prepared = self.prepare(leader) => prepared,
        };
        match prepared {
            Ok(cursor) => self.publish(leader, cursor).await,
            Err(ended) => ended,
        }
    }

    /// Makes sure of topic, history and log, and finds where each partition starts.
    async fn prepare(&mut self, leader: &mut Leader) -> Result<Cursor, Ended> {
        let RelayConfig { kafka, publishing, begin, replication, .. } = self.config;
        let partitions = i32::try_from(leader.row.kept.len()).unwrap_or(i32::MAX);
        let topic = Topic { replication: *replication, ..Topic::events(&publishing.topic, partitions) };
        topics::ensure(kafka, &[topic]).await?;
        let log = Log::new(kafka, &publishing.topic);
        if *begin == Begin::First {
            // The row may come from a broker that forgets, where the log began at the head.
            leader.row.kept.iter_mut().for_each(|kept| kept.begins = Position::ZERO);
        }
        let seen = log.look(&leader.row.kept).await?;
        self.same_history(leader, &seen).await?;
        // In its first term the relay has published nothing yet, so what came before it is not old but waiting.
        let old = leader.row.term > FIRST_TERM && !*self.begun;
        if *begin == Begin::Head && old && seen.iter().all(|seen| seen.end == 0) {
            let (head, heads) = leader.heads().await?;
            leader.row.checkpoint = head;
            leader.row.kept =
                heads.iter().map(|at| Kept { begins: *at, acknowledged: *at, ..Kept::default() }).collect();
        }
        *self.begun = true;
        let Plan { checkpoint, kept, lanes, refills } = plan(leader.row.checkpoint, &leader.row.kept, &seen);
        (leader.row.checkpoint, leader.row.kept) = (checkpoint, kept);
        leader.save().await?;
        faults::pass("relay.start-saved");
        if !refills.is_empty() {
            tracing::warn!(topic = %publishing.topic, partitions = ?refills.iter().map(|(p, _)| p).collect::<Vec<_>>(),
                "The log is not the one that was filled; it is emptied and published again");
            if let Err(error) = log.empty(&refills).await {
                // Readers cope with what is left in it: they drop repeats and wait at holes.
                tracing::warn!(%error, topic = %publishing.topic, "The log could not be emptied");
            }
        }
        Ok(Cursor::new(leader.row.checkpoint, &lanes))
    }

    /// Compares what this process and the log know with the store: another event at the same position, or none, means
    /// that the store lost events and gives their positions again.
    async fn same_history(&self, leader: &mut Leader, seen: &[Seen]) -> Result<(), Ended> {
        let history = leader.history().await?;
        let lost = |what: String| Err(Ended::HistoryLost(format!("{what}; run `recover {}`", self.reader.context())));
        if history != leader.row.history {
            return lost(format!("the store's history is {history}, the relay published {}", leader.row.history));
        }
        for (partition, seen) in seen.iter().enumerate() {
            for mark in seen.marks() {
                if mark.history != history {
                    return lost(format!("partition {partition} holds events of another history, {}", mark.history));
                }
                if leader.event_at(mark.position).await? != Some(mark.event_id) {
                    return lost(format!("the store no longer has the published event at {}", mark.position));
                }
            }
        }
        if let Some((position, event_id)) = *self.last_seen
            && leader.event_at(position).await? != Some(event_id)
        {
            return lost(format!("the store no longer has the event at {position}"));
        }
        Ok(())
    }

    async fn publish(&mut self, leader: &mut Leader, mut cursor: Cursor) -> Ended {
        let RelayConfig { kafka, publishing, .. } = self.config;
        let (producer, mut reports) = match Producer::new(kafka, &publishing.topic) {
            Ok(producer) => producer,
            Err(error) => return error.into(),
        };
        let mut pump = Pump {
            producer: &producer,
            headers: HeaderMaker::new(publishing.clone(), leader.row.history),
            partitions: i32::try_from(leader.row.kept.len()).unwrap_or(i32::MAX),
            sending: Sending::to(&publishing.topic),
        };
        let ended = self.pump(leader, &mut cursor, &mut pump, &mut reports).await;
        if matches!(ended, Ended::Stopped) {
            drain(&mut cursor, &mut reports).await;
        }
        drop(producer);
        if !matches!(ended, Ended::Dethroned(_)) {
            keep(leader, &cursor);
            if let Ended::Reset(reset) = &ended
                && let Some(kept) = leader.row.kept.get_mut(reset.partition())
            {
                leader.row.checkpoint = doubt(leader.row.checkpoint, kept);
            }
            // If this fails the row is older than the log, which only means that some records are repeated.
            if let Err(error) = leader.save().await {
                return error.into();
            }
        }
        ended
    }
}
