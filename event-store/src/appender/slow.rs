//! The one way out of everything that can go wrong: forget what was speculative, take the lock, see what happened,
//! decide every unanswered command again, write, commit.
//!
//! Taking the lock also waits until a lost connection's transaction is over, so what is read under it is final. A
//! process that loses the race once holds the lock while it decides again, so it never loses twice in a row.

use std::time::{Duration, Instant};

use sqlx::Executor as _;

use super::batch::Found;
use super::{Appender, AppenderState, Rejection, loading, sql};
use crate::StoreError;

/// How many events of other processes are read at once.
pub(super) const TAIL_PAGE_EVENTS: i64 = 1_000;
/// Above this the cache is dropped instead of being brought up to date.
const TAIL_EVENTS_MAX: i64 = 10_000;
/// How many commands are decided again in one transaction.
const COMMANDS_MAX: usize = 4_000;
/// How long Postgres may be away before new commands are refused at once instead of waiting for it.
const PATIENCE: Duration = Duration::from_secs(1);
const BACK_OFF_MIN: Duration = Duration::from_millis(20);
const BACK_OFF_MAX: Duration = Duration::from_millis(500);

impl Appender {
    /// Returns when every command that was on its way is answered and the store is understood again.
    pub(super) async fn settle(&mut self) {
        self.batcher.fail();
        let mut commands_max = COMMANDS_MAX;
        let mut back_off = BACK_OFF_MIN;
        let since = Instant::now();
        loop {
            match self.attempt(commands_max).await {
                Ok(()) if self.batcher.retrying() == 0 => break,
                Ok(()) => commands_max = (commands_max * 2).min(COMMANDS_MAX),
                Err(error) => {
                    self.connection = None;
                    let refused = matches!(error, StoreError::Database(_));
                    self.after_failed_attempt(refused);
                    match error {
                        StoreError::HistoryLost { .. } => return self.stop(&error).await,
                        StoreError::Database(_) if commands_max == 1 => {
                            self.batcher.refuse_first(Rejection::Broken(error), self.clock.now());
                        }
                        StoreError::Database(_) => {
                            commands_max = commands_max.min(self.batcher.retrying()).div_ceil(2).max(1);
                        }
                        error => {
                            self.wait(since, &error, back_off).await;
                            back_off = (back_off * 2).min(BACK_OFF_MAX);
                        }
                    }
                }
            }
        }
        self.batcher.settled(self.clock.now());
        if self.state.send_replace(AppenderState::Serving) != AppenderState::Serving {
            tracing::info!(context = self.config.context, "Postgres is back; commands are decided again");
        }
    }

    /// One transaction of the slow path.
    async fn attempt(&mut self, commands_max: usize) -> Result<(), StoreError> {
        self.reconnect().await?;
        self.catch_up().await?;
        self.preload(commands_max).await?;
        let lock_key = self.config.lock_key();
        let connection = self.connection.as_mut().ok_or(StoreError::Closed)?;
        sql::lock(connection, lock_key).await?;
        let since = sql::events_after(connection, self.batcher.known(), TAIL_EVENTS_MAX).await?;
        self.batcher.tail(since);
        let mut committed = Vec::new();
        for end in self.batcher.lost_ends() {
            committed.extend(sql::chain_at(connection, end.position).await?.filter(|chain| *chain == end.chain));
        }
        self.batcher.settle_lost(&committed, self.clock.now());
        let found = sql::answers(connection, &self.batcher.retried_keys(commands_max)).await?;
        self.batcher.decide_again(commands_max, &found, self.clock.now());
        let base = self.batcher.head();
        let mut stored = Found::new();
        if let Some(rows) = self.batcher.cut() {
            stored = sql::append(connection, lock_key, &base, &rows).await?.ok_or_else(|| StoreError::Damaged {
                position: base.position,
                reason: "the newest event changed although the lock was held".to_owned(),
            })?;
        }
        connection.execute("commit").await?;
        let rows = self.batcher.written(&mut stored, self.clock.now());
        match rows {
            Some(rows) => self.publishing.publish(rows, self.batcher.head().position),
            None => self.publishing.head(self.batcher.head().position),
        }
        if self.batcher.speculates() {
            self.batcher.fail(); // More than one batch was decided; the rest comes again with the next attempt.
        }
        Ok(())
    }

    async fn reconnect(&mut self) -> Result<(), StoreError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let mut connection = super::connect(&self.config).await?;
        if !sql::still_holds(&mut connection, self.history, &self.batcher.head()).await? {
            return Err(StoreError::HistoryLost {
                context: self.config.context.clone(),
                history: self.history,
                position: self.batcher.known(),
            });
        }
        self.clock = super::StoreClock::read(&mut connection).await?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Reads what others appended before the lock is taken, so that it is held briefly.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        let Some(connection) = self.connection.as_mut() else { return Err(StoreError::Closed) };
        let newest = sql::newest(connection).await?;
        if newest.position.get() - self.batcher.known().get() > TAIL_EVENTS_MAX {
            self.batcher.restart_at(newest);
        }
        loop {
            let events = sql::events_after(connection, self.batcher.known(), TAIL_PAGE_EVENTS).await?;
            let last = events.len() < usize::try_from(TAIL_PAGE_EVENTS).unwrap_or_default();
            self.batcher.tail(events);
            if last {
                return Ok(());
            }
        }
    }

    /// Aggregates may be large: they too are read before the lock is taken. What comes in between is in the tail.
    async fn preload(&mut self, commands_max: usize) -> Result<(), StoreError> {
        let Some(connection) = self.connection.as_mut() else { return Err(StoreError::Closed) };
        let missing = self.batcher.missing(commands_max);
        if !missing.is_empty() {
            let streams = loading::load_all(connection, &missing).await?;
            self.batcher.preloaded(streams);
        }
        Ok(())
    }

    fn after_failed_attempt(&mut self, refused: bool) {
        if self.batcher.speculates() {
            self.batcher.fail();
            if refused {
                self.batcher.settle_lost(&[], self.clock.now());
            }
        }
    }

    /// Postgres is away. Commands that are late are answered; after a while new ones do not wait either.
    async fn wait(&mut self, since: Instant, error: &StoreError, back_off: Duration) {
        let now = self.clock.now();
        self.batcher.expire(Instant::now(), now);
        if since.elapsed() > PATIENCE {
            if self.state.send_replace(AppenderState::Away(error.to_string())) == AppenderState::Serving {
                tracing::warn!(context = self.config.context, %error, "Commands are refused until Postgres is back");
            }
            while let Ok(submission) = self.incoming.try_recv() {
                submission.answer(Err(Rejection::Unavailable { sent: false }));
            }
        }
        tokio::time::sleep(back_off).await;
    }

    /// The store is not the one that was known: nothing is appended any more, and everybody hears why.
    async fn stop(&mut self, error: &StoreError) {
        tracing::error!(context = self.config.context, %error, "The store lost events");
        self.state.send_replace(AppenderState::HistoryLost(error.to_string()));
        self.batcher.give_up(self.clock.now());
        while let Some(submission) = self.incoming.recv().await {
            submission.answer(Err(Rejection::Unavailable { sent: false }));
        }
    }
}
