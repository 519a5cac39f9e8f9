//! Group offsets for lag tools: how far the projection that is furthest behind has come in each partition of a topic.
//!
//! Nothing here reads them: where a projection goes on is in its checkpoints. So they are published now and then,
//! beside the work, and a broker that refuses them costs nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use envelope::{History, Position};
use event_schemas::Context;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{CommitMode, Consumer as _, ConsumerContext, StreamConsumer};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::{Checkpoint, Cursor, Place, Stamp, WHOLE_STORE};
use crate::lag::{Condition, Pulse, Stopped};
use crate::projection::ReadModel;

const EVERY: Duration = Duration::from_secs(1);
/// After so many rounds all offsets are published again: one may have been refused, and brokers forget those of a group
/// that is quiet for days.
const ROUNDS_MAX: u32 = 60;

/// The consumer of this process.
pub(crate) type TopicConsumer = StreamConsumer<Answers>;

/// What the broker says to offsets. Nobody depends on it.
pub(crate) struct Answers;

impl ClientContext for Answers {}

impl ConsumerContext for Answers {
    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "The broker did not take the offsets for lag tools");
        }
    }
}

/// The newest record of each partition that was handed to the projections.
#[derive(Clone, Default)]
pub(crate) struct Handed(Arc<Mutex<Marks>>);

type Marks = BTreeMap<Place, Mark>;

/// Who is past this position is past every record before this offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    history: History,
    position: Position,
    offset: i64,
}

impl Handed {
    pub(crate) fn note(&self, stamps: impl Iterator<Item = Stamp>) {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for stamp in stamps {
            let mark = Mark { history: stamp.history, position: stamp.position, offset: stamp.offset + 1 };
            marks.insert(stamp.place, mark);
        }
    }

    fn marks(&self) -> Marks {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is published.
pub(crate) struct Publishing {
    /// The consumer, while there is one.
    pub(crate) consumer: watch::Receiver<Option<Arc<TopicConsumer>>>,
    pub(crate) topics: BTreeMap<Context, String>,
    pub(crate) handed: Handed,
    pub(crate) followed: Vec<(&'static ReadModel, Pulse)>,
}

impl Publishing {
    /// Publishes until the process ends.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut offsets = Offsets::default();
        for round in 1_u32.. {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            let Some(consumer) = self.consumer.borrow().clone() else { continue };
            if round.is_multiple_of(ROUNDS_MAX) {
                offsets.published.clear();
            }
            let cursors = self.followed.iter().filter_map(|(model, pulse)| match pulse.get() {
                Condition::Following(cursor) | Condition::Stopped(Stopped { at: Some(cursor), .. }) => {
                    Some((model.name, cursor))
                }
                Condition::Standby | Condition::Stopped(Stopped { at: None, .. }) => None,
            });
            let due = offsets.due(self.handed.marks(), &cursors.collect::<Vec<_>>());
            if !due.is_empty()
                && let Err(error) = commit(&consumer, &self.topics, &due)
            {
                tracing::debug!(%error, "The offsets for lag tools could not be sent");
            }
        }
    }
}

/// Hands the offsets over and does not wait for the answer.
fn commit(consumer: &TopicConsumer, topics: &BTreeMap<Context, String>, due: &BTreeMap<Place, i64>) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    for (place, offset) in due {
        if let Some(topic) = topics.get(&place.context) {
            list.add_partition_offset(topic, place.partition, Offset::Offset(*offset))?;
        }
    }
    consumer.commit(&list, CommitMode::Async)
}

/// What is known of the offsets, decided without I/O.
#[derive(Debug, Default)]
struct Offsets {
    /// The marks of the round before: under load nobody is ever past the newest ones.
    earlier: Marks,
    /// How far each projection was the last time it could be told.
    reached: BTreeMap<(&'static str, Place), i64>,
    published: BTreeMap<Place, i64>,
}

impl Offsets {
    /// The offsets that differ from what was published. A partition is left out as long as a projection that follows it
    /// has not been met at any record of it.
    fn due(&mut self, marks: Marks, cursors: &[(&'static str, Cursor)]) -> BTreeMap<Place, i64> {
        let mut least: BTreeMap<Place, Option<i64>> = BTreeMap::new();
        for (name, cursor) in cursors {
            for place in marks.keys() {
                let Some(held) = held_of(cursor, *place) else { continue };
                let past = |mark: &&Mark| mark.history == held.history && mark.position <= held.position;
                let known = [marks.get(place), self.earlier.get(place)].into_iter().flatten().filter(past);
                let own = held.topic_offset.map(|offset| offset + 1);
                if let Some(now) = known.map(|mark| mark.offset).chain(own).max() {
                    self.reached.insert((*name, *place), now);
                }
                let reached = self.reached.get(&(*name, *place)).copied();
                least.entry(*place).and_modify(|least| *least = (*least).min(reached)).or_insert(reached);
            }
        }
        self.earlier = marks;
        let known = least.into_iter().filter_map(|(place, offset)| Some((place, offset?)));
        let due: BTreeMap<_, _> = known.filter(|(place, offset)| self.published.get(place) != Some(offset)).collect();
        self.published.extend(&due);
        due
    }
}

/// How far a projection is in a partition, if it follows it; one that reads whole stores follows all of them.
fn held_of(cursor: &Cursor, place: Place) -> Option<&Checkpoint> {
    let whole = Place { partition: WHOLE_STORE, ..place };
    cursor.of(place.context).find(|(of, _)| **of == place || **of == whole).map(|(_, held)| held)
}

#[cfg(test)]
mod tests;
