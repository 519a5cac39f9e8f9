//! Wakes policies when a store has grown.

use std::collections::BTreeMap;
use std::time::Duration;

use envelope::Position;
use event_schemas::Context;
use event_store::Store;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How soon a store that just grew elsewhere is asked again, and how seldom one that rests.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// The newest position of each store, as far as it is known.
#[derive(Clone)]
pub(crate) struct Heads(BTreeMap<Context, watch::Receiver<Position>>);

impl Heads {
    /// Begins to watch the stores; ends with `shutdown`.
    pub(crate) fn start(stores: &BTreeMap<Context, Store>, shutdown: &CancellationToken) -> Self {
        let watched = stores.iter().map(|(context, store)| {
            let (to, from) = watch::channel(Position::ZERO);
            tokio::spawn(watch_store(store.clone(), to, shutdown.clone()));
            (*context, from)
        });
        Self(watched.collect())
    }

    pub(crate) fn newest(&self, context: Context) -> Position {
        self.0.get(&context).map(|head| *head.borrow()).unwrap_or_default()
    }

    /// Returns when one of the stores has grown beyond what it was when this was last asked.
    pub(crate) async fn grown(&mut self, contexts: &[Context]) {
        let watched = self.0.iter_mut().filter(|(context, _)| contexts.contains(context));
        let changes: Vec<_> = watched.map(|(_, head)| Box::pin(head.changed())).collect();
        if changes.is_empty() {
            return std::future::pending().await;
        }
        // The sender ends with the process.
        let _ended = futures::future::select_all(changes).await;
    }
}

async fn watch_store(store: Store, to: watch::Sender<Position>, shutdown: CancellationToken) {
    let (reader, mut own) = (store.reader(), store.head());
    let mut pause = PAUSE_MIN;
    loop {
        let grown = match reader.head().await {
            Ok(head) => grow(&to, head.position),
            Err(error) => {
                tracing::debug!(context = %store.context(), %error, "The store cannot be asked");
                false
            }
        };
        pause = if grown { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
        tokio::select! {
            () = shutdown.cancelled() => return,
            // What this process commits itself is known at once.
            changed = own.changed() => match changed {
                Ok(()) => _ = grow(&to, *own.borrow_and_update()),
                Err(_) => return,
            },
            () = tokio::time::sleep(pause) => {}
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
