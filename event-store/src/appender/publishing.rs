//! What follows a commit: readers in this process hear of it, subscribers such as the relay get the events, snapshots
//! are kept.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use envelope::{Position, Recorded};
use platform::postgres::{answered, lend};
use sqlx::PgPool;
use tokio::sync::{mpsc, watch};

use super::batch::{BatchRows, SnapshotRow};
use super::rows::EventRow;
use super::sql;
use crate::{RawPayload, StoreError};

/// Events as they are handed to subscribers in this process: one batch at a time, in order.
pub type Committed = Arc<[Recorded<RawPayload>]>;

/// Batches that wait for a subscriber; when it is slower it reads the store instead.
const HAND_OVER_BATCHES_MAX: usize = 64;
/// Snapshots that wait to be written; more are left out, because they are only a cache.
const SNAPSHOT_BATCHES_MAX: usize = 64;

#[derive(Clone)]
pub(crate) struct Publishing {
    context: Arc<str>,
    head: watch::Sender<Position>,
    subscribers: Arc<Mutex<Vec<mpsc::Sender<Committed>>>>,
    snapshots: mpsc::Sender<Vec<SnapshotRow>>,
}

impl Publishing {
    pub(crate) fn new(context: Arc<str>, pool: PgPool, answer_wait_max: Duration) -> Self {
        let (snapshots, waiting) = mpsc::channel(SNAPSHOT_BATCHES_MAX);
        tokio::spawn(keep_snapshots(pool, answer_wait_max, waiting));
        Self { context, head: watch::Sender::new(Position::ZERO), subscribers: Arc::default(), snapshots }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    /// A subscriber gets every batch from here on, as long as it keeps up.
    pub(crate) fn subscribe(&self) -> mpsc::Receiver<Committed> {
        let (sender, receiver) = mpsc::channel(HAND_OVER_BATCHES_MAX);
        self.subscribers.lock().expect("nothing panics under this lock").push(sender);
        receiver
    }

    pub(crate) fn head(&self, position: Position) {
        self.head.send_if_modified(|head| {
            let moved = *head < position;
            *head = position.max(*head);
            moved
        });
    }

    /// Whoever hears of the head has been handed the events before, or will read them.
    pub(crate) fn publish(&self, rows: Arc<BatchRows>, head: Position) {
        let BatchRows { events, snapshots, .. } = Arc::unwrap_or_clone(rows);
        if !snapshots.is_empty() {
            let _ = self.snapshots.try_send(snapshots);
        }
        self.hand_over(events);
        self.head(head);
    }

    fn hand_over(&self, events: Vec<EventRow>) {
        let mut subscribers = self.subscribers.lock().expect("nothing panics under this lock");
        subscribers.retain(|subscriber| !subscriber.is_closed());
        if subscribers.is_empty() || events.is_empty() {
            return;
        }
        let events: Result<Vec<_>, _> = events.into_iter().map(|event| event.into_recorded(&self.context)).collect();
        let Ok(events) = events else { return };
        let events = Committed::from(events);
        for subscriber in &*subscribers {
            // One that is full has a gap, and reads the store.
            let _ = subscriber.try_send(events.clone());
        }
    }
}

async fn keep_snapshots(pool: PgPool, answer_wait_max: Duration, mut waiting: mpsc::Receiver<Vec<SnapshotRow>>) {
    while let Some(rows) = waiting.recv().await {
        let kept = async {
            let mut connection = lend(&pool).await?;
            answered(answer_wait_max, sql::save_snapshots(&mut connection, &rows)).await?;
            connection.give_back();
            platform::faults::pass("snapshot.kept");
            Ok::<_, StoreError>(())
        };
        if let Err(error) = kept.await {
            tracing::warn!(%error, "Snapshots could not be kept; aggregates load from their events");
        }
    }
}
