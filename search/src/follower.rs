//! Follows the store of `products` by position: reads what is new, commits in time, and says how far it is.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use envelope::{Position, Recorded};
use event_schemas::Context;
use event_store::{Head, RawPayload, Reader, StoreError};
use platform::progress::{Place, Progress, WHOLE_STORE};
use platform::readiness::Check;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::{Checkpoint, Foreign};
use crate::following::Following;
use crate::index::{IndexError, Serving};
use crate::pace::Pace;

/// Under which name readers wait for it.
pub const NAME: &str = "search";
/// The store that it reads.
pub const CONTEXT: Context = Context::Products;

/// So many events are read at once.
const RANGE_EVENTS: i64 = 5_000;
/// Up to so many events are asked for as rows; more come faster by `copy`.
const ROWS_MAX: i64 = 100;
/// After trouble with the store or the index.
const RETRY: Duration = Duration::from_millis(500);
/// How often a build says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// What the index is made from, and where it lies.
pub struct Config {
    /// The folder of the index: one process writes it.
    pub folder: PathBuf,
    /// The store of `products`.
    pub store: Reader,
    /// Where readers learn how far it is.
    pub progress: Progress,
    /// How readiness shows it.
    pub check: Option<Check>,
    /// The process does nothing else: until the index is whole there is no work for it.
    pub alone: bool,
}

/// What answers, once the index was at the end of the store. Cheap to clone.
#[derive(Clone, Default)]
pub struct Slot(Arc<RwLock<Option<Serving>>>);

impl Slot {
    /// What answers now.
    #[must_use]
    pub fn get(&self) -> Option<Serving> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One that answers from an index that nobody follows: for measurements.
    #[must_use]
    pub fn holding(serving: Serving) -> Self {
        Self(Arc::new(RwLock::new(Some(serving))))
    }

    fn put(&self, serving: Option<Serving>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = serving;
    }
}

/// Why following ended for now.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the process ends")]
    Shutdown,
    #[error("the store of `{CONTEXT}` cannot be read: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("the index is built anew: {0}")]
    Foreign(#[from] Foreign),
}

/// Follows until the process ends, whatever happens to the store and the disk.
///
/// # Errors
/// None: trouble is shown by the check and tried again.
pub async fn run(config: Config, slot: Slot, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut foreign = None;
    loop {
        let ended = match session(&config, &slot, &shutdown, foreign).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        };
        if matches!(ended, Ended::Shutdown) {
            return Ok(());
        }
        foreign = match &ended {
            Ended::Foreign(foreign) => Some(*foreign),
            // What was begun anew and not committed is found to be foreign again.
            Ended::Shutdown | Ended::Store(_) | Ended::Index(_) => None,
        };
        tracing::warn!(reason = %ended, "The search index stopped and tries again: {ended}");
        if let Some(check) = &config.check {
            // What answers goes on as of its last commit.
            if slot.get().is_some() || !config.alone {
                check.pass_but(format!("the search index stands still: {ended}"));
            } else {
                check.fail(ended.to_string());
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

async fn session(
    config: &Config,
    slot: &Slot,
    shutdown: &CancellationToken,
    foreign: Option<Foreign>,
) -> Result<std::convert::Infallible, Ended> {
    let head = config.store.head().await?;
    let folder = config.folder.clone();
    let (following, anew) = blocking(move || Following::open(&folder, &head, foreign)).await??;
    let mut session = Session { config, slot, shutdown, pace: Pace::new(Instant::now()), said: None, serves: false };
    if let Some(why) = anew {
        let events = head.position.get();
        tracing::info!(events, "The search index is built from {events} events: {why}");
        config.progress.withdraw(NAME, CONTEXT.name(), WHOLE_STORE);
        slot.put(None);
    }
    session.follow(following).await
}

struct Session<'c> {
    config: &'c Config,
    slot: &'c Slot,
    shutdown: &'c CancellationToken,
    pace: Pace,
    /// When a build last said how far it is.
    said: Option<Instant>,
    /// The index of this session answers, not that of one before.
    serves: bool,
}

impl Session<'_> {
    async fn follow(&mut self, mut following: Following) -> Result<std::convert::Infallible, Ended> {
        self.show(&following);
        let mut ahead = None;
        loop {
            if self.shutdown.is_cancelled() {
                _ = self.commit(following).await?;
                return Err(Ended::Shutdown);
            }
            let head = self.config.store.head().await?;
            self.pace.looked(Instant::now());
            following.at().fits(&head)?;
            let events = match ahead.take() {
                Some(events) => events,
                None => self.read_on(following.at(), &head).await?,
            };
            let read_all = events.last().map_or(following.at().position, |event| event.position) >= head.position;
            lag(&following, &head, events.first());
            if let Some(last) = events.last() {
                let mut next = following.at().clone();
                (next.position, next.event_id) = (last.position, Some(last.event_id));
                let take = blocking(move || following.take(&events).map(|()| following));
                // What follows is read meanwhile.
                let (taken, read) = tokio::join!(take, self.read_on(&next, &head));
                following = taken??;
                ahead = Some(read?).filter(|events| !events.is_empty());
            }
            let completes = read_all && !following.at().complete;
            if completes {
                following.complete();
            }
            let waited_for = self.is_waited_for();
            let until_commit = self.pace.until_commit(Instant::now(), following.pressure(waited_for));
            if completes || until_commit == Some(Duration::ZERO) {
                following = self.commit(following).await?;
            }
            self.show(&following);
            if read_all {
                self.rest(&following).await;
            } else {
                self.say(&following, &head);
            }
        }
    }

    /// Waits for the next look or commit, whichever is due first.
    async fn rest(&self, following: &Following) {
        let (now, waited_for) = (Instant::now(), self.is_waited_for());
        let until_look = self.pace.until_look(now, waited_for);
        let until_commit = self.pace.until_commit(now, following.pressure(waited_for)).unwrap_or(until_look);
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = tokio::time::sleep(until_look.min(until_commit)) => {}
            // A reader is not kept waiting for the time of the next look, but for that between two looks.
            () = self.config.progress.wanted(NAME), if !waited_for => {
                tokio::time::sleep(self.pace.until_look(Instant::now(), true)).await;
            }
        }
    }

    fn is_waited_for(&self) -> bool {
        self.config.progress.waited_for(NAME)
    }

    /// What follows on the checkpoint, from the store from which everything before it was taken.
    async fn read_on(&self, at: &Checkpoint, head: &Head) -> Result<Vec<Recorded<RawPayload>>, Ended> {
        if at.position >= head.position {
            return Ok(vec![]);
        }
        // One event more shows that the store still has the one at the checkpoint.
        let known = at.event_id.map(|event| (at.position, event));
        let begin = if known.is_some() { Position(at.position.get() - 1) } else { at.position };
        let up_to = head.position.min(Position(at.position.get() + RANGE_EVENTS));
        let mut events = self.range(begin, up_to).await?;
        if let Some((position, event_id)) = known {
            if events.first().is_none_or(|event| event.position != position || event.event_id != event_id) {
                return Err(Foreign::OtherStore.into());
            }
            events.remove(0);
        }
        Ok(events)
    }

    async fn range(&self, after: Position, up_to: Position) -> Result<Vec<Recorded<RawPayload>>, StoreError> {
        let count = up_to.get() - after.get();
        if count <= ROWS_MAX {
            return self.config.store.after(after, count).await;
        }
        let mut events = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
        let push = |event| {
            events.push(event);
            Ok::<_, StoreError>(())
        };
        self.config.store.range_copy(after, up_to, push).await?;
        Ok(events)
    }

    async fn commit(&mut self, mut following: Following) -> Result<Following, Ended> {
        if !following.pressure(false).moved {
            return Ok(following);
        }
        let (following, seconds) = blocking(move || following.commit().map(|took| (following, took))).await??;
        self.pace.committed(Instant::now());
        metrics::histogram!("handsel_search_commit_duration_seconds").record(seconds);
        Ok(following)
    }

    /// Tells readers how far it is, and lets it answer once it is whole.
    fn show(&mut self, following: &Following) {
        let shown = following.shown();
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("handsel_search_set_aside_products").set(shown.set_aside as f64);
        if !shown.complete {
            return;
        }
        if !std::mem::replace(&mut self.serves, true) {
            self.slot.put(Some(following.serving()));
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("handsel_search_products").set(following.index().products() as f64);
        let place = Place { history: shown.history, position: shown.position, whole: shown.set_aside == 0 };
        self.config.progress.publish(NAME, CONTEXT.name(), WHOLE_STORE, place);
        let Some(check) = &self.config.check else { return };
        match shown.set_aside {
            0 => check.pass(),
            count => check.pass_but(format!(
                "{count} products are not found because an event of theirs cannot be read by this program: \
                 the log names them; update it"
            )),
        }
    }

    fn say(&mut self, following: &Following, head: &Head) {
        let (done, all) = (following.at().position.get(), head.position.get());
        if let Some(check) = self.config.check.as_ref().filter(|_| !following.at().complete) {
            let state = format!("the search index is being built: {done} of {all} events");
            if self.config.alone { check.fail(state) } else { check.pass_but(state) }
        }
        if self.said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
            self.said = Some(Instant::now());
            tracing::info!(done, all, "The search index holds {done} of {all} events");
        }
    }
}

fn lag(following: &Following, head: &Head, oldest: Option<&Recorded<RawPayload>>) {
    let events = head.position.get() - following.shown().position.get();
    let age_micros = oldest.map_or(0, |event| platform::clock::now().micros() - event.recorded_at.micros());
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    metrics::gauge!("handsel_search_lag_events").set(events.max(0) as f64);
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    metrics::gauge!("handsel_search_lag_seconds").set(age_micros.max(0) as f64 / 1e6);
}

/// Work that waits for disks and would keep others from a thread.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Ended> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panic| Ended::Index(IndexError::from(std::io::Error::other(panic))))
}
