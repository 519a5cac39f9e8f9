//! The end of a store, read once for all who follow it.
//!
//! While anybody follows, one task asks the store for its head, at once when this process appends and every 10 to 250
//! ms otherwise, and keeps the newest events in memory, so that a thousand who wait at the end cost one statement.
//! Whoever is further behind reads the store itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use envelope::Position;
use event_store::{Head, Reader, Store, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::line::Line;
use super::places::Place;

/// How soon a store that just grew elsewhere is asked again, and how seldom one that rests.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// How many of the newest events are kept, and how many bytes of them.
const KEPT_MAX: usize = 1_024;
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many events are read at once.
pub(super) const READ_MAX: i64 = 64;

/// What is known of a store; whoever follows it is woken when that changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) head: Position,
    /// How often the store was found to be another one than before.
    pub(super) changes: u64,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    /// Its newest events are not those that were there.
    #[error("the store lost events or began another history")]
    Changed,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("an event cannot be shown: {0}")]
    NoJson(#[from] serde_json::Error),
}

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Tail(Arc<Inner>);

struct Inner {
    store: Store,
    reader: Reader,
    known: watch::Sender<Known>,
    kept: Mutex<Kept>,
}

/// Events that follow on each other, and on the place before them.
#[derive(Default)]
struct Kept {
    before: Option<Place>,
    lines: VecDeque<Arc<Line>>,
    bytes: usize,
}

impl Tail {
    /// Begins to watch a store; ends with `shutdown`.
    pub(super) fn start(store: Store, shutdown: CancellationToken) -> Self {
        let (reader, known, kept) = (store.reader(), watch::Sender::default(), Mutex::default());
        let tail = Self(Arc::new(Inner { store, reader, known, kept }));
        let watching = tail.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = watching.watch() => {}
                () = shutdown.cancelled() => {}
            }
        });
        tail
    }

    /// Wakes when the store has grown or is another one.
    pub(super) fn follow(&self) -> watch::Receiver<Known> {
        self.0.known.subscribe()
    }

    /// The end of the store as it is now.
    pub(super) async fn head(&self) -> Result<Head, StoreError> {
        self.0.reader.head().await
    }

    /// The event at a position.
    pub(super) async fn event_at(&self, position: Position) -> Result<Option<uuid::Uuid>, StoreError> {
        self.0.reader.event_at(position).await
    }

    /// The events after a place, at most so many; the one at the place must still be there.
    pub(super) async fn after(&self, place: &Place) -> Result<Vec<Arc<Line>>, Unread> {
        if let Some(lines) = self.kept().after(place) {
            return Ok(lines);
        }
        read(&self.0.reader, place).await
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn watch(&self) {
        let mut own = self.0.store.head();
        let (mut pause, mut at) = (PAUSE_MIN, None);
        loop {
            if self.0.known.receiver_count() == 0 {
                // Nobody follows: what happens meanwhile is not kept.
                tokio::time::sleep(PAUSE_MAX).await;
                continue;
            }
            let grown = match self.look(&mut at).await {
                Ok(grown) => grown,
                Err(error) => {
                    tracing::debug!(context = %self.0.store.context(), %error, "The store cannot be asked");
                    false
                }
            };
            pause = if grown { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
            tokio::select! {
                changed = own.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Reads what is new. Gives whether anything was.
    async fn look(&self, at: &mut Option<Place>) -> Result<bool, Unread> {
        let head = self.0.reader.head().await?;
        let end = Place { history: head.history, position: head.position, event_id: head.event_id };
        let Some(place) = at.filter(|place| !replaced(place, &end)) else {
            let changes = u64::from(at.is_some());
            self.begin(at, end, changes);
            return Ok(true);
        };
        if place.position == end.position {
            return Ok(false);
        }
        // Who fell far behind begins anew near the end: others read the store meanwhile.
        if usize::try_from(end.position.get() - place.position.get()).is_ok_and(|behind| behind > KEPT_MAX) {
            self.begin(at, end, 0);
            return Ok(true);
        }
        match read(&self.0.reader, &place).await {
            Ok(lines) => {
                let Some(last) = lines.last() else { return Ok(false) };
                *at = Some(Place { position: last.position, event_id: Some(last.event_id), ..place });
                let head = last.position;
                self.kept().add(lines);
                self.0.known.send_modify(|known| known.head = head);
                Ok(true)
            }
            Err(Unread::Changed) => {
                self.begin(at, end, 1);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    fn begin(&self, at: &mut Option<Place>, end: Place, changes: u64) {
        *self.kept() = Kept { before: Some(end), ..Kept::default() };
        *at = Some(end);
        self.0.known.send_modify(|known| *known = Known { head: end.position, changes: known.changes + changes });
    }
}

/// Whether a store that ends here cannot be the one that was read up to there.
fn replaced(read: &Place, end: &Place) -> bool {
    read.history != end.history
        || end.position < read.position
        || (end.position == read.position && end.event_id != read.event_id)
}

/// The next events from the store itself.
async fn read(reader: &Reader, place: &Place) -> Result<Vec<Arc<Line>>, Unread> {
    let known = place.event_id.is_some();
    let after = if known { Position(place.position.get() - 1) } else { place.position };
    let mut events = reader.after(after, READ_MAX + i64::from(known)).await?.into_iter();
    if known {
        let same = events.next().is_some_and(|e| e.position == place.position && Some(e.event_id) == place.event_id);
        if !same {
            return Err(Unread::Changed);
        }
    }
    events.map(|event| Ok(Arc::new(Line::of(event)?))).collect()
}

impl Kept {
    fn add(&mut self, lines: Vec<Arc<Line>>) {
        for line in lines {
            self.bytes += line.data.len();
            self.lines.push_back(line);
        }
        while self.lines.len() > KEPT_MAX || self.bytes > KEPT_BYTES_MAX {
            let (Some(oldest), Some(before)) = (self.lines.pop_front(), &mut self.before) else { return };
            self.bytes -= oldest.data.len();
            (before.position, before.event_id) = (oldest.position, Some(oldest.event_id));
        }
    }

    /// What follows on a place, if that is known here: the event at it must be among those kept.
    fn after(&self, place: &Place) -> Option<Vec<Arc<Line>>> {
        let before = self.before?;
        let index = usize::try_from(place.position.get() - before.position.get()).ok()?;
        let held = match index {
            0 => before.event_id,
            index => Some(self.lines.get(index - 1)?.event_id),
        };
        let max = usize::try_from(READ_MAX).unwrap_or(usize::MAX);
        (held == place.event_id).then(|| self.lines.iter().skip(index).take(max).cloned().collect())
    }
}

/// Whether what was read is not all there was.
pub(super) fn is_full(lines: &[Arc<Line>]) -> bool {
    i64::try_from(lines.len()).is_ok_and(|count| count >= READ_MAX)
}
