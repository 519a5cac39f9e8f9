//! Wakes policies when a store has grown, and hands them what this process appended.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use envelope::{Position, Recorded};
use event_schemas::{Context, Event};
use event_store::{Committed, Store};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::checkpoints::Checkpoint;
use crate::reading;

/// How soon a store that just grew elsewhere is asked again, and how seldom one that rests.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// How many of the newest events of a store are held.
const EVENTS_MAX: usize = 2_048;

/// The newest position of each store, as far as it is known, and its newest events.
#[derive(Clone)]
pub(crate) struct Heads(BTreeMap<Context, Watched>);

#[derive(Clone)]
struct Watched {
    head: watch::Receiver<Position>,
    tail: Arc<Mutex<Tail>>,
}

/// Events that this process appended, one after another, the newest last.
#[derive(Default)]
struct Tail(VecDeque<Arc<Recorded<Event>>>);

impl Heads {
    /// Begins to watch the stores; ends with `shutdown`.
    pub(crate) fn start(stores: &BTreeMap<Context, Store>, shutdown: &CancellationToken) -> Self {
        let watched = stores.iter().map(|(context, store)| {
            let (to, head) = watch::channel(Position::ZERO);
            let tail = Arc::default();
            tokio::spawn(watch_store(*context, store.clone(), to, Arc::clone(&tail), shutdown.clone()));
            (*context, Watched { head, tail })
        });
        Self(watched.collect())
    }

    pub(crate) fn newest(&self, context: Context) -> Position {
        self.0.get(&context).map(|watched| *watched.head.borrow()).unwrap_or_default()
    }

    /// The events after a place, at most so many, if memory has them and the one that stands there.
    pub(crate) fn after(
        &self,
        context: Context,
        from: &Checkpoint,
        events_max: usize,
    ) -> Option<Vec<Arc<Recorded<Event>>>> {
        let tail = &self.0.get(&context)?.tail;
        tail.lock().unwrap_or_else(PoisonError::into_inner).after(from, events_max)
    }

    /// Returns when one of the stores has grown beyond what it was when this was last asked.
    pub(crate) async fn grown(&mut self, contexts: &[Context]) {
        let watched = self.0.iter_mut().filter(|(context, _)| contexts.contains(context));
        let changes: Vec<_> = watched.map(|(_, watched)| Box::pin(watched.head.changed())).collect();
        if changes.is_empty() {
            return std::future::pending().await;
        }
        // The sender ends with the process.
        let _ended = futures::future::select_all(changes).await;
    }
}

impl Tail {
    /// What does not continue what is here replaces it.
    fn push(&mut self, event: Arc<Recorded<Event>>) {
        if self.0.back().is_some_and(|last| last.position.get() + 1 != event.position.get()) {
            self.0.clear();
        }
        if self.0.len() == EVENTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }

    /// `None`: nothing of that is here, and the store may have it. The event at the place must be here, so that it is
    /// seen to be the one that was read.
    fn after(&self, from: &Checkpoint, events_max: usize) -> Option<Vec<Arc<Recorded<Event>>>> {
        let first = self.0.front()?.position.get();
        let at = usize::try_from(from.position.get() - first).ok()?;
        self.0.get(at).filter(|event| Some(event.event_id) == from.event_id)?;
        let events: Vec<_> = self.0.iter().skip(at + 1).take(events_max).cloned().collect();
        // Another process may have appended what follows.
        (!events.is_empty()).then_some(events)
    }
}

async fn watch_store(
    context: Context,
    store: Store,
    to: watch::Sender<Position>,
    tail: Arc<Mutex<Tail>>,
    shutdown: CancellationToken,
) {
    let (reader, mut own, mut committed) = (store.reader(), store.head(), store.committed());
    let mut pause = PAUSE_MIN;
    let mut look_at = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            // What this process commits itself is known at once.
            Some(events) = committed.recv() => {
                hold(context, &tail, &events);
                if let Some(last) = events.last() {
                    grow(&to, last.position);
                }
            }
            changed = own.changed() => match changed {
                Ok(()) => _ = grow(&to, *own.borrow_and_update()),
                Err(_) => return,
            },
            () = tokio::time::sleep_until(look_at) => {
                let grown = match reader.head().await {
                    Ok(head) => grow(&to, head.position),
                    Err(error) => {
                        tracing::debug!(%context, %error, "The store cannot be asked");
                        false
                    }
                };
                pause = if grown { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
                look_at = Instant::now() + pause;
            }
        }
    }
}

/// Keeps events in memory. One that cannot be read is left to whoever reads the store, and says so.
fn hold(context: Context, tail: &Mutex<Tail>, events: &Committed) {
    let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
    for event in &**events {
        match reading::decoded(context, event.clone()) {
            Ok(event) => tail.push(Arc::new(event)),
            Err(_) => tail.0.clear(),
        }
    }
}

fn grow(to: &watch::Sender<Position>, position: Position) -> bool {
    to.send_if_modified(|head| {
        let grown = position > *head;
        *head = position.max(*head);
        grown
    })
}

#[cfg(test)]
mod tests;
