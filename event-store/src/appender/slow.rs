//! The one way out of everything that can go wrong: forget what was speculative, take the lock, see what happened,
//! decide every unanswered command again, write, commit. In which order stands in [`settlement`](super::settlement);
//! here it is done.
//!
//! Taking the lock also waits until a lost connection's transaction is over, so what is read under it is final. A
//! process that loses the race once holds the lock while it decides again, so it never loses twice in a row.

use std::time::Instant;

use platform::faults;
use platform::postgres::answered;
use sqlx::{Executor as _, PgConnection};

use super::batch::Tip;
use super::settlement::{Bounds, Learned, Next, Pause, Settlement, Statement};
use super::{Appender, AppenderState, Rejection, StoreClock, loading, sql};
use crate::StoreError;

/// How many events of other processes are read at once.
pub(super) const TAIL_PAGE_EVENTS: u16 = 1_000;
const BOUNDS: Bounds = Bounds { tail_page_events: TAIL_PAGE_EVENTS, tail_events_max: 10_000, commands_max: 4_000 };

impl Appender {
    /// Returns when every command that was on its way is answered and the store is understood again.
    pub(super) async fn settle(&mut self) {
        let connected = self.connection.is_some();
        let (mut settlement, mut next) = Settlement::begin(BOUNDS, &mut self.batcher, connected, Instant::now());
        loop {
            let learned = match next {
                Next::Connect { known } => self.reconnect(&known).await.unwrap_or_else(Learned::Failed),
                Next::Do(statement) => self.perform(statement).await.unwrap_or_else(Learned::Failed),
                Next::Publish(rows) => {
                    self.publish(rows);
                    Learned::Published
                }
                Next::Wait(pause) => self.wait(pause).await,
                Next::Stop(error) => return self.stop(&error).await,
                Next::Settled => break,
            };
            next = settlement.next(learned, &mut self.batcher, self.clock.now(), Instant::now());
        }
        self.serves();
    }

    async fn reconnect(&mut self, known: &Tip) -> Result<Learned, StoreError> {
        self.connection = None;
        let wait_max = self.config.answer_wait_max();
        let mut connection = super::connect(&self.config).await?;
        if !answered(wait_max, sql::still_holds(&mut connection, self.history, known)).await? {
            return Err(StoreError::HistoryLost {
                context: self.config.context.clone(),
                history: self.history,
                position: known.position,
            });
        }
        self.clock = answered(wait_max, StoreClock::read(&mut connection)).await?;
        self.connection = Some(connection);
        Ok(Learned::Connected)
    }

    /// The connection on which something failed is dropped, and with it whatever it has not committed.
    async fn perform(&mut self, statement: Statement) -> Result<Learned, StoreError> {
        let mut connection = self.connection.take().ok_or(StoreError::Closed)?;
        let learned =
            answered(self.config.answer_wait_max(), execute(&mut connection, statement, self.config.lock_key()))
                .await?;
        self.connection = Some(connection);
        Ok(learned)
    }

    async fn wait(&mut self, Pause { back_off, error, refusing }: Pause) -> Learned {
        if refusing {
            self.is_away(error.to_string());
            while let Ok(submission) = self.incoming.try_recv() {
                submission.answer(Err(Rejection::Unavailable { sent: false }));
            }
        }
        tokio::time::sleep(back_off).await;
        Learned::Waited
    }

    /// The store is not the one that was known: nothing is appended any more, and everybody hears why.
    async fn stop(&mut self, error: &StoreError) {
        tracing::error!(context = self.config.context, %error, "Nothing is appended any more: {error}");
        self.state.send_replace(AppenderState::HistoryLost(error.to_string()));
        while let Some(submission) = self.incoming.recv().await {
            submission.answer(Err(Rejection::Broken(error.clone())));
        }
    }
}

async fn execute(connection: &mut PgConnection, statement: Statement, lock_key: i64) -> Result<Learned, StoreError> {
    Ok(match statement {
        Statement::ReadNewest => Learned::Newest(sql::newest(connection).await?),
        Statement::ReadTail { after, events_max } => {
            Learned::Tail(sql::events_after(connection, after, events_max.into()).await?)
        }
        Statement::Load(streams) => Learned::Loaded(loading::load_all(connection, &streams).await?),
        Statement::Lock => {
            sql::lock(connection, lock_key).await?;
            faults::pass("settle.locked");
            Learned::Locked
        }
        Statement::ReadEnds(ends) => {
            let mut committed = Vec::new();
            for end in ends {
                committed.extend(sql::chain_at(connection, end.position).await?.filter(|chain| *chain == end.chain));
            }
            Learned::Ends(committed)
        }
        Statement::ReadAnswers(keys) => Learned::Answers(sql::answers(connection, &keys).await?),
        Statement::Append { base, rows } => {
            let appended = sql::append(connection, lock_key, &base, &rows).await?;
            faults::pass("settle.appended");
            Learned::Appended(appended.ok_or_else(|| StoreError::Damaged {
                position: base.position,
                reason: "the newest event changed although the lock was held".to_owned(),
            })?)
        }
        Statement::Commit => {
            connection.execute("commit").await?;
            faults::pass("settle.committed");
            Learned::Committed
        }
    })
}
