//! What follows a commit: readers in this process hear of it, the relay gets the events, snapshots are kept.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use envelope::{Position, Recorded};
use platform::postgres::{answered, lend};
use sqlx::PgPool;
use tokio::sync::{mpsc, watch};

use super::batch::{BatchRows, SnapshotRow};
use super::sql;
use crate::{RawPayload, StoreError};

/// Events as they are handed to the relay of this process: one batch at a time, in order.
pub type Committed = Arc<[Recorded<RawPayload>]>;

/// Batches that wait for a relay; when it is slower it reads the store instead.
const HAND_OVER_BATCHES_MAX: usize = 64;
/// Snapshots that wait to be written; more are left out, because they are only a cache.
const SNAPSHOT_BATCHES_MAX: usize = 64;

#[derive(Clone)]
pub(crate) struct Publishing {
    context: Arc<str>,
    head: watch::Sender<Position>,
    relay: Arc<Mutex<Option<mpsc::Sender<Committed>>>>,
    snapshots: mpsc::Sender<Vec<SnapshotRow>>,
}

impl Publishing {
    pub(crate) fn new(context: Arc<str>, pool: PgPool, answer_wait_max: Duration) -> Self {
        let (snapshots, waiting) = mpsc::channel(SNAPSHOT_BATCHES_MAX);
        tokio::spawn(keep_snapshots(pool, answer_wait_max, waiting));
        Self { context, head: watch::Sender::new(Position::ZERO), relay: Arc::default(), snapshots }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    /// The newest subscriber gets every batch from here on, as long as it keeps up.
    pub(crate) fn subscribe(&self) -> mpsc::Receiver<Committed> {
        let (sender, receiver) = mpsc::channel(HAND_OVER_BATCHES_MAX);
        *self.relay.lock().expect("nothing panics under this lock") = Some(sender);
        receiver
    }

    pub(crate) fn head(&self, position: Position) {
        self.head.send_if_modified(|head| {
            let moved = *head < position;
            *head = position.max(*head);
            moved
        });
    }

    pub(crate) fn publish(&self, rows: Arc<BatchRows>, head: Position) {
        self.head(head);
        let BatchRows { events, snapshots, .. } = Arc::unwrap_or_clone(rows);
        if !snapshots.is_empty() {
            let _ = self.snapshots.try_send(snapshots);
        }
        let mut relay = self.relay.lock().expect("nothing panics under this lock");
        let Some(sender) = relay.clone().filter(|_| !events.is_empty()) else { return };
        match sender.try_reserve() {
            Ok(permit) => {
                let events: Result<Vec<_>, _> =
                    events.into_iter().map(|event| event.into_recorded(&self.context)).collect();
                if let Ok(events) = events {
                    permit.send(events.into());
                }
            }
            Err(mpsc::error::TrySendError::Full(())) => {}
            Err(mpsc::error::TrySendError::Closed(())) => *relay = None,
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
