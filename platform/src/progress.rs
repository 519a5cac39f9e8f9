//! How far the views of this process have come, so that whoever waits for one is woken instead of asking again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use envelope::{History, Position};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

type Partitions = HashMap<i32, watch::Sender<Place>>;

/// How far a view is in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What the position means.
    pub history: History,
    /// Everything up to here was taken in, or parked.
    pub position: Position,
    /// Nothing was parked when it came here: the view shows all of it. `false` if nobody has looked yet.
    pub whole: bool,
}

/// The partition under which a view that reads a whole store by position says how far it is.
pub const WHOLE_STORE: i32 = -1;

/// The hub between the runners of projections, which publish, and readers with a token, who wait. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// By projection, then context, then partition.
    places: RwLock<HashMap<String, HashMap<String, Partitions>>>,
    /// How many readers wait, by context.
    waiting: RwLock<HashMap<String, Arc<AtomicUsize>>>,
    /// How many readers wait, by view.
    readers: RwLock<HashMap<String, watch::Sender<usize>>>,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The view has passed what was asked for. If it was not `whole` then, it may have parked it.
    Reached {
        /// Nothing was parked.
        whole: bool,
    },
    /// The view follows another history of the store, so that the position means nothing there.
    OtherHistory,
    /// Not in time.
    Late,
}

impl Progress {
    /// Says how far a projection is. Called about a thousand times a second.
    pub fn publish(&self, projection: &str, context: &str, partition: i32, place: Place) {
        let known = self.with_places(|places| {
            let sender = places.get(projection)?.get(context)?.get(&partition)?;
            sender.send_replace(place);
            Some(())
        });
        if known.is_none() {
            let mut places = self.0.places.write().unwrap_or_else(PoisonError::into_inner);
            let contexts = places.entry(projection.to_owned()).or_default();
            let partitions = contexts.entry(context.to_owned()).or_default();
            let sender = partitions.entry(partition).or_insert_with(|| watch::Sender::new(place));
            sender.send_replace(place);
        }
    }

    /// Takes back what was said, when another process reads the partition from now on.
    pub fn withdraw(&self, projection: &str, context: &str, partition: i32) {
        let mut places = self.0.places.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(partitions) = places.get_mut(projection).and_then(|contexts| contexts.get_mut(context)) {
            partitions.remove(&partition);
        }
    }

    /// How far the projection is in this process; `None` if it is not run here. A view that reads whole stores answers
    /// for every partition.
    #[must_use]
    pub fn place(&self, projection: &str, context: &str, partition: i32) -> Option<Place> {
        self.watch(projection, context, partition).map(|seen| *seen.borrow())
    }

    /// Waits until the projection has the position; `None` if it is not run here.
    pub async fn wait(
        &self,
        projection: &str,
        context: &str,
        partition: i32,
        (history, position): (History, Position),
        deadline: Instant,
    ) -> Option<Seen> {
        let mut seen = self.watch(projection, context, partition)?;
        let judge = |place: &Place| place.history != history || place.position >= position;
        let verdict = |place: &Place| match place {
            Place { history: of, whole, .. } if *of == history => Seen::Reached { whole: *whole },
            Place { .. } => Seen::OtherHistory,
        };
        if judge(&seen.borrow()) {
            return Some(verdict(&seen.borrow()));
        }
        let _waiting = self.begin_to_wait(projection, context);
        match timeout_at(deadline, seen.wait_for(judge)).await {
            Ok(Ok(place)) => Some(verdict(&place)),
            Ok(Err(_)) => None,
            Err(_) => Some(Seen::Late),
        }
    }

    /// Says that somebody waits for what this view shows of this context, until the answer is dropped.
    #[must_use]
    pub fn begin_to_wait(&self, projection: &str, context: &str) -> Waiting {
        let known = self.0.waiting.read().unwrap_or_else(PoisonError::into_inner).get(context).cloned();
        let count = known.unwrap_or_else(|| {
            let mut waiting = self.0.waiting.write().unwrap_or_else(PoisonError::into_inner);
            waiting.entry(context.to_owned()).or_default().clone()
        });
        count.fetch_add(1, Ordering::AcqRel);
        let readers = self.readers(projection);
        readers.send_modify(|readers| *readers += 1);
        Waiting { count, readers }
    }

    /// Whether somebody waits for this context: then silence is looked into sooner.
    #[must_use]
    pub fn waiting(&self, context: &str) -> bool {
        let waiting = self.0.waiting.read().unwrap_or_else(PoisonError::into_inner);
        waiting.get(context).is_some_and(|count| count.load(Ordering::Acquire) > 0)
    }

    /// Whether somebody waits for this view.
    #[must_use]
    pub fn waited_for(&self, projection: &str) -> bool {
        *self.readers(projection).borrow() > 0
    }

    /// Returns when somebody waits for this view.
    pub async fn wanted(&self, projection: &str) {
        let mut readers = self.readers(projection).subscribe();
        // The sender is kept for as long as there is a hub.
        let _never_closed = readers.wait_for(|readers| *readers > 0).await;
    }

    fn readers(&self, projection: &str) -> watch::Sender<usize> {
        let known = self.0.readers.read().unwrap_or_else(PoisonError::into_inner).get(projection).cloned();
        known.unwrap_or_else(|| {
            let mut readers = self.0.readers.write().unwrap_or_else(PoisonError::into_inner);
            readers.entry(projection.to_owned()).or_default().clone()
        })
    }

    fn watch(&self, projection: &str, context: &str, partition: i32) -> Option<watch::Receiver<Place>> {
        self.with_places(|places| {
            let partitions = places.get(projection)?.get(context)?;
            partitions.get(&partition).or_else(|| partitions.get(&WHOLE_STORE)).map(watch::Sender::subscribe)
        })
    }

    fn with_places<T>(&self, look: impl FnOnce(&HashMap<String, HashMap<String, Partitions>>) -> T) -> T {
        look(&self.0.places.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Somebody waits as long as this lives.
#[derive(Debug)]
pub struct Waiting {
    count: Arc<AtomicUsize>,
    readers: watch::Sender<usize>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
        self.readers.send_modify(|readers| *readers -= 1);
    }
}

#[cfg(test)]
mod tests;
