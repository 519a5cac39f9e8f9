//! Asks each store now and then where it ends and how far its relay has come.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event_schemas::Context;
use platform::progress::Progress;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::silence::Seen;
use crate::stores::{Stores, Unfit};

const EVERY: Duration = Duration::from_secs(1);
/// While a reader waits for what it wrote.
const EVERY_WHILE_WAITED_FOR: Duration = Duration::from_millis(100);

/// What the stores said last.
#[derive(Clone)]
pub(crate) struct Watched(Arc<BTreeMap<Context, watch::Receiver<Seen>>>);

impl Watched {
    /// Begins to watch; ends with the process.
    pub(crate) fn start(stores: &Stores, progress: &Progress, shutdown: &CancellationToken) -> Self {
        let mut seen = BTreeMap::new();
        for context in stores.contexts() {
            let (to, from) = watch::channel(Seen::default());
            tokio::spawn(watch_store(context, stores.clone(), progress.clone(), to, shutdown.clone()));
            seen.insert(context, from);
        }
        Self(Arc::new(seen))
    }

    pub(crate) fn seen(&self, context: Context) -> Seen {
        self.0.get(&context).map(|seen| seen.borrow().clone()).unwrap_or_default()
    }
}

async fn watch_store(
    context: Context,
    stores: Stores,
    progress: Progress,
    to: watch::Sender<Seen>,
    shutdown: CancellationToken,
) {
    let mut asked = None::<Instant>;
    loop {
        let due = asked.is_none_or(|asked| asked.elapsed() >= EVERY) || progress.waiting(context.name());
        if due {
            asked = Some(Instant::now());
            match look(context, &stores).await {
                Ok(seen) => _ = to.send_if_modified(|old| std::mem::replace(old, seen.clone()) != seen),
                Err(error) => tracing::debug!(%context, %error, "The store cannot be asked"),
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY_WHILE_WAITED_FOR) => {}
        }
    }
}

pub(crate) async fn look(context: Context, stores: &Stores) -> Result<Seen, Unfit> {
    // The relay first: what it has published by then is in the store.
    let relay = stores.relay_row(context).await?;
    let head = stores.head(context).await?;
    let seen = Seen { head: head.position, head_event: head.event_id, ..Seen::default() };
    Ok(match relay.filter(|relay| relay.history == head.history) {
        Some(relay) => Seen { published: relay.checkpoint, last: relay.last_position, ..seen },
        None => seen,
    })
}
