//! The appender: one task per store and process that decides and appends.
//!
//! Commands are decided in order of arrival on the state that includes what is queued, so a hot aggregate is as fast as
//! a cold one and nothing is locked. While one batch is written the next one gathers: it grows under load and is a
//! single command when idle. Whatever goes wrong there is one way out, [`slow`].

pub(crate) mod batch;
pub(crate) mod batcher;
mod cache;
mod clock;
mod connection;
mod deciding;
pub(crate) mod decision;
pub(crate) mod ledger;
pub(crate) mod loading;
mod novelty;
mod publishing;
pub(crate) mod rows;
pub(crate) mod settlement;
mod settling;
mod slow;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use envelope::History;
use futures::FutureExt as _;
use futures::future::{BoxFuture, OptionFuture};
use platform::faults;
use platform::postgres::{answered, lend};
use sqlx::{PgConnection, PgPool};
use tokio::sync::{mpsc, watch};

use self::batch::Found;
pub(crate) use self::batch::{BatchRows, Tip};
pub(crate) use self::batcher::{Batcher, Limits};
use self::clock::StoreClock;
use self::connection::connect;
pub(crate) use self::deciding::EVENT_BYTES_MAX;
pub(crate) use self::decision::{Rejection, Submission};
use self::loading::LoadedStreams;
pub use self::publishing::Committed;
pub(crate) use self::publishing::Publishing;
use crate::{StoreConfig, StoreError};

/// How the appender fares; shown by readiness and `status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppenderState {
    /// Commands are decided and appended.
    Serving,
    /// Postgres is away; it is tried again all the time.
    Away(String),
    /// The store lost events; nothing is appended until somebody recovers it.
    HistoryLost(String),
}

/// How often an idle appender looks for what other processes appended, and for late commands.
const TICK: Duration = Duration::from_millis(250);
/// How seldom it looks for what others appended when nothing happens for long.
const FOLLOW_EVERY_MAX: Duration = Duration::from_secs(1);
/// One reads aggregates, one deletes old answers.
const LOADER_CONNECTIONS_MAX: u32 = 2;
/// After a read of aggregates has failed.
const LOAD_RETRY: Duration = Duration::from_millis(200);
/// How long Postgres may leave a batch unanswered before operators are told.
const PATIENCE: Duration = Duration::from_secs(1);

/// The connection comes back if it is still of use.
type Write = BoxFuture<'static, (Option<PgConnection>, Result<Option<Found>, StoreError>)>;

pub(crate) struct Appender {
    config: StoreConfig,
    history: History,
    /// For reading aggregates: apart from the readers' pool, so that those who catch up do not hold up commands.
    pool: PgPool,
    connection: Option<PgConnection>,
    clock: StoreClock,
    batcher: Batcher,
    incoming: mpsc::Receiver<Submission>,
    publishing: Publishing,
    state: watch::Sender<AppenderState>,
    ledger: ledger::Upkeep,
    /// Not before: a read has failed.
    load_at: Instant,
    follow_at: Instant,
    follow_every: Duration,
}

impl Appender {
    /// Connects, checks where the store stands and starts the task.
    pub(crate) async fn start(
        config: StoreConfig,
        history: History,
        publishing: Publishing,
    ) -> Result<(mpsc::Sender<Submission>, watch::Receiver<AppenderState>), StoreError> {
        let (sender, incoming) = mpsc::channel(config.queue_commands_max);
        let (state, watched) = watch::channel(AppenderState::Serving);
        let wait_max = config.answer_wait_max();
        let mut connection = connect(&config).await?;
        let clock = answered(wait_max, StoreClock::read(&mut connection)).await?;
        let head = answered(wait_max, sql::newest(&mut connection)).await?;
        if !answered(wait_max, sql::still_holds(&mut connection, history, &head)).await? {
            // The store began another history after this process had opened it.
            return Err(StoreError::HistoryLost { context: config.context, history, position: head.position });
        }
        let limits = Limits {
            batch_events_max: config.batch_events_max,
            cache_aggregates_max: config.cache_aggregates_max,
            partitions: config.partitions,
            history,
            new_run_min: novelty::Novelty::RUN_MIN,
        };
        publishing.head(head.position);
        let batcher = Batcher::new(limits, head);
        let task = Self {
            pool: config.pool("loader", LOADER_CONNECTIONS_MAX)?,
            config,
            history,
            connection: Some(connection),
            clock,
            batcher,
            incoming,
            publishing,
            state,
            ledger: ledger::Upkeep::begin(),
            load_at: Instant::now(),
            follow_at: Instant::now(),
            follow_every: TICK,
        };
        tokio::spawn(task.run());
        Ok((sender, watched))
    }

    /// Ends when every handle is gone and everything asked is answered.
    async fn run(mut self) {
        let mut writing: OptionFuture<Write> = None.into();
        let mut writes: Option<Instant> = None;
        let mut loading: OptionFuture<BoxFuture<'static, Result<LoadedStreams, StoreError>>> = None.into();
        let mut loads = false;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut open = true;
        while open || !self.batcher.is_idle() {
            if writes.is_none()
                && let Some(write) = self.next_write()
            {
                (writing, writes) = (Some(write).into(), Some(Instant::now()));
            }
            if !loads && let Some(load) = self.next_load() {
                (loading, loads) = (Some(load).into(), true);
            }
            tokio::select! {
                Some((connection, result)) = &mut writing, if writes.is_some() => {
                    (writing, writes) = (None.into(), None);
                    self.connection = connection;
                    self.after_write(result).await;
                }
                Some(result) = &mut loading, if loads => {
                    (loading, loads) = (None.into(), false);
                    self.after_load(result);
                }
                submission = self.incoming.recv(), if open && self.has_room() => match submission {
                    Some(submission) => self.arrive(submission),
                    None => open = false,
                },
                _ = tick.tick() => {
                    self.ledger.sweep(&self.pool, self.config.answer_wait_max());
                    match writes {
                        None => self.tick().await,
                        Some(since) => self.wait_for_write(since),
                    }
                }
            }
        }
        if let Some(connection) = self.connection.take() {
            let _ = sqlx::Connection::close(connection).await;
        }
    }

    fn next_write(&mut self) -> Option<Write> {
        self.connection.as_ref()?;
        let base = self.batcher.head();
        let rows = self.batcher.cut()?;
        let mut connection = self.connection.take()?;
        let lock_key = self.config.lock_key();
        metrics::histogram!("event_store_batch_events").record(rows.events.len() as f64);
        let wait_max = self.config.answer_wait_max();
        let write = async move {
            faults::pass("append.begins");
            if faults::planted("ack-before-commit") {
                // What was written before is committed only now, and this with what comes next.
                let _ = sqlx::Executor::execute(&mut connection, "commit; begin").await;
            }
            let result = answered(wait_max, sql::append(&mut connection, lock_key, &base, &rows)).await;
            drop(rows);
            // What Postgres refused is over, and the connection is in order.
            let is_in_order = matches!(result, Ok(_) | Err(StoreError::Database(_)));
            (is_in_order.then_some(connection), result)
        };
        Some(write.boxed())
    }

    fn next_load(&mut self) -> Option<BoxFuture<'static, Result<LoadedStreams, StoreError>>> {
        if Instant::now() < self.load_at {
            return None;
        }
        let wanted = self.batcher.wanted();
        if wanted.is_empty() {
            return None;
        }
        let (pool, wait_max) = (self.pool.clone(), self.config.answer_wait_max());
        let load = async move {
            let mut connection = lend(&pool).await?;
            let loaded = answered(wait_max, loading::load_all(&mut connection, &wanted)).await?;
            connection.give_back();
            Ok(loaded)
        };
        Some(load.boxed())
    }

    async fn after_write(&mut self, result: Result<Option<Found>, StoreError>) {
        let now = self.clock.now();
        match result {
            Ok(Some(mut found)) => {
                faults::pass("append.committed");
                self.serves();
                let rows = self.batcher.written(&mut found, now);
                self.publish(rows);
            }
            Ok(None) => {
                metrics::counter!("event_store_batches_behind_total").increment(1);
                self.settle().await;
            }
            Err(_) if faults::planted("ack-on-error") => drop(self.batcher.written(&mut Found::new(), now)),
            Err(error) => {
                tracing::warn!(context = self.config.context, %error, "A batch failed; settling it under the lock");
                // Whatever the connection's transaction still does, the lock is free only when it is over.
                self.settle().await;
            }
        }
    }

    fn after_load(&mut self, result: Result<LoadedStreams, StoreError>) {
        match result {
            Ok(streams) => self.batcher.loaded(streams, self.clock.now()),
            Err(error) => {
                tracing::warn!(context = self.config.context, %error, "Aggregates could not be read; trying again");
                self.batcher.not_loaded();
                self.load_at = Instant::now() + LOAD_RETRY;
                self.batcher.expire(Instant::now(), self.clock.now());
            }
        }
    }

    /// Takes a command and all that came with it, so that they share a batch.
    fn arrive(&mut self, submission: Submission) {
        let now = self.clock.now();
        self.follow_every = TICK;
        self.batcher.arrive(submission, now);
        while self.has_room()
            && let Ok(submission) = self.incoming.try_recv()
        {
            self.batcher.arrive(submission, now);
        }
    }

    /// While there is none, commands wait in the channel, and when that is full too they are refused as overload.
    fn has_room(&self) -> bool {
        self.batcher.waiting() < self.config.queue_commands_max
    }

    fn publish(&self, rows: Option<Arc<BatchRows>>) {
        let head = self.batcher.head().position;
        match rows {
            Some(rows) => self.publishing.publish(rows, head),
            None => self.publishing.head(head),
        }
    }

    /// A batch is on its way: what waits behind it may be late, and if it takes long, operators want to know.
    fn wait_for_write(&mut self, since: Instant) {
        self.batcher.expire(Instant::now(), self.clock.now());
        if since.elapsed() > PATIENCE {
            self.is_away(format!("it has not answered a batch for {} s", since.elapsed().as_secs()));
        }
    }

    fn is_away(&self, why: String) {
        let before = self.state.send_replace(AppenderState::Away(why.clone()));
        if before == AppenderState::Serving {
            tracing::warn!(
                context = self.config.context,
                why,
                "Commands wait until Postgres answers, and go on by themselves: {why}"
            );
        }
    }

    fn serves(&self) {
        let changed = self
            .state
            .send_if_modified(|state| std::mem::replace(state, AppenderState::Serving) != AppenderState::Serving);
        if changed {
            tracing::info!(context = self.config.context, "Postgres is back; commands are decided again");
        }
    }

    /// Follows other processes while there is nothing to do, and answers what waited too long.
    async fn tick(&mut self) {
        self.batcher.expire(Instant::now(), self.clock.now());
        if !self.batcher.is_idle() || Instant::now() < self.follow_at {
            return;
        }
        if !self.follow().await {
            self.settle().await;
        }
    }

    async fn follow(&mut self) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        if faults::planted("ack-before-commit") {
            let _ = sqlx::Executor::execute(&mut *connection, "commit").await;
        }
        let tail = sql::events_after(connection, self.batcher.known(), slow::TAIL_PAGE_EVENTS.into());
        match answered(self.config.answer_wait_max(), tail).await {
            Ok(events) if events.is_empty() => {
                self.follow_every = (self.follow_every * 2).min(FOLLOW_EVERY_MAX);
                self.follow_at = Instant::now() + self.follow_every;
                true
            }
            Ok(events) => {
                self.follow_every = TICK;
                self.batcher.tail(events);
                self.publishing.head(self.batcher.head().position);
                true
            }
            Err(_) => {
                self.connection = None;
                false
            }
        }
    }
}

/// Reads one aggregate apart from the appender's cache.
pub(crate) async fn load_one(
    connection: &mut PgConnection,
    stream: &decision::Stream,
) -> Result<(i64, Box<dyn crate::codec::State>), StoreError> {
    let streams = loading::load(connection, std::slice::from_ref(stream)).await?;
    let (_, loaded) = streams.into_iter().next().ok_or(StoreError::Closed)?;
    loaded.map(|loaded| (loaded.sequence, loaded.state))
}
