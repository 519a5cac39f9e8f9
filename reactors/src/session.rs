//! A policy at work: what is noted is sent, what happened is reacted to, what is due fires.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use envelope::Position;
use event_schemas::Context;
use futures::FutureExt as _;
use futures::future::try_join_all;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::ahead::Ahead;
use crate::backlog::Backlog;
use crate::dispatches;
use crate::effects::{Effects, Kind};
use crate::engine::Engine;
use crate::lanes::Sending;
use crate::reading::{self, Stopped};
use crate::sender::Sent;
use crate::term::Term;
use crate::timers::{self, Agenda};

/// How many commands of a policy are under way at once.
const IN_FLIGHT_MAX: usize = 256;
/// How many may wait in memory; beyond that they wait in their table, and nothing more is read.
const WAITING_MAX: usize = 5_000;
/// How many timers fire in one transaction.
const TIMERS_MAX: i64 = 2_000;
/// How many answered commands may still stand in their table while there is more to do.
const ANSWERED_MAX: usize = 500;
/// How long a command that could not be asked waits.
const RETRY: Duration = Duration::from_millis(500);
/// How long nothing at all may happen before the agenda is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a policy has in hand.
pub(crate) struct Session {
    ahead: Ahead,
    backlog: Backlog,
    /// The newest command that was taken from the table.
    newest: i64,
    /// There are more in the table than were taken.
    more: bool,
    under_way: JoinSet<(Sending, Sent)>,
    /// Timers due by then fire as soon as the stores have been read up to there.
    firing: Option<(DateTime<Utc>, BTreeMap<Context, Position>)>,
    look_at: Instant,
    term: Term,
    /// How often a person had settled what was parked when this began.
    settled: i64,
    /// Of the policy whose reactions are effects.
    effects: Option<Box<dyn Effects>>,
}

impl Session {
    pub(crate) async fn begin(engine: &Engine) -> Result<Self, Stopped> {
        let term = Term::begin(&engine.pool, engine.policy.name).await?;
        let mut checkpoints = BTreeMap::new();
        for (context, reader) in &engine.readers {
            let begun = reading::begin(&engine.pool, engine.policy, *context, reader).await?;
            checkpoints.insert(*context, begun);
        }
        let settled = timers::agenda(&engine.pool, engine.policy.name).await?.settled;
        Ok(Self {
            ahead: Ahead::new(checkpoints),
            backlog: Backlog::default(),
            newest: 0,
            more: true,
            under_way: JoinSet::new(),
            firing: None,
            look_at: Instant::now(),
            term,
            settled,
            effects: engine.kind.map(|kind| (kind.begin)(engine)),
        })
    }

    pub(crate) async fn work(&mut self, engine: &mut Engine) -> Result<(), Stopped> {
        loop {
            // However much happens: who is not heard of holds up whatever follows for the same aggregate.
            while let Some(sent) = self.under_way.try_join_next() {
                self.settle(engine, sent).await?;
            }
            let mut moved = answered(&mut self.effects).now_or_never().is_some();
            if moved {
                self.record(engine).await?;
            }
            moved |= self.take(engine).await?;
            self.tell(engine);
            moved |= self.react(engine).await?;
            // Also before anything is sent: who was frozen meanwhile and leads no more finds out here.
            if self.ahead.store_at().is_some_and(|at| at <= Instant::now()) {
                self.store(engine).await?;
            }
            moved |= self.fire(engine).await?;
            self.ask_outside(engine).await?;
            self.send(engine);
            // What happens now is more urgent than what is over.
            if !moved || self.backlog.over().len() >= ANSWERED_MAX {
                self.forget(engine).await?;
            }
            if moved {
                continue;
            }
            let (full, wake_at) = (self.backlog.waiting() >= WAITING_MAX, self.wake_at());
            tokio::select! {
                Some(sent) = self.under_way.join_next() => self.settle(engine, sent).await?,
                () = answered(&mut self.effects) => self.record(engine).await?,
                () = engine.heads.grown(engine.policy.contexts), if !full => {}
                () = tokio::time::sleep_until(wake_at) => {}
            }
        }
    }

    /// Stores what was read, so that whoever takes over need not read it again.
    pub(crate) async fn store(&mut self, engine: &Engine) -> Result<(), Stopped> {
        if self.ahead.store_at().is_none() {
            return Ok(());
        }
        let (policy, effects) = (engine.policy.name, self.effects.as_deref_mut());
        self.ahead.store(&engine.pool, policy, &mut self.backlog, effects).await
    }

    /// Work may be given also while something waits for a person.
    fn tell(&self, engine: &Engine) {
        let refused = match self.backlog.parked() {
            0 => None,
            count => Some(format!(
                "commands for {count} aggregates were refused and wait for a person: see `handsel policies parked`"
            )),
        };
        match refused.or_else(|| self.effects.as_ref().and_then(|effects| effects.remark())) {
            None => engine.check.pass(),
            Some(remark) => engine.check.pass_but(remark),
        }
    }

    /// Takes commands that were stored by whoever led before.
    async fn take(&mut self, engine: &Engine) -> Result<bool, Stopped> {
        if !self.more || self.backlog.waiting() >= WAITING_MAX {
            return Ok(false);
        }
        let max = i64::try_from(WAITING_MAX).unwrap_or(i64::MAX);
        let rows = dispatches::after(&engine.pool, engine.policy.name, self.newest, max).await?;
        self.more = i64::try_from(rows.len()).is_ok_and(|count| count == max);
        self.newest = rows.last().map_or(self.newest, |row| row.number);
        let any = !rows.is_empty();
        rows.into_iter().for_each(|row| self.backlog.stands(row));
        Ok(any)
    }

    /// Reads each store once, if it has grown.
    async fn react(&mut self, engine: &Engine) -> Result<bool, Stopped> {
        if self.more || self.backlog.waiting() >= WAITING_MAX {
            return Ok(false);
        }
        let grown = engine.readers.iter().filter_map(|(context, reader)| {
            let from = self.ahead.at(*context).filter(|from| engine.heads.newest(*context) > from.position)?;
            Some(async move { reading::next(*context, reader, &engine.heads, &from).await })
        });
        let events: Vec<_> = try_join_all(grown).await?.into_iter().flatten().collect();
        for event in &events {
            self.ahead.reads(engine.policy, event, &mut self.backlog, self.effects.as_deref());
        }
        if !events.is_empty() && platform::faults::planted("checkpoint-before-notes") {
            self.store(engine).await?;
        }
        Ok(!events.is_empty())
    }

    /// Fires what is due. Whatever was recorded before a timer was due has been reacted to by then, so that what makes
    /// it needless has been heard of.
    async fn fire(&mut self, engine: &Engine) -> Result<bool, Stopped> {
        if self.backlog.waiting() >= WAITING_MAX || self.more {
            return Ok(false);
        }
        if self.firing.is_none() && Instant::now() >= self.look_at {
            let Agenda { now, next, settled } = timers::agenda(&engine.pool, engine.policy.name).await?;
            self.look_at = Instant::now() + pause(now, next);
            if self.settled != settled {
                return Err(Stopped::Settled);
            }
            if next.is_some_and(|next| next <= now) {
                let mut heads = BTreeMap::new();
                for (context, reader) in &engine.readers {
                    let head = reader.head().await.map_err(|error| Stopped::Store(*context, error))?;
                    heads.insert(*context, head.position);
                }
                self.firing = Some((now, heads));
            }
        }
        let Some((by, heads)) = &self.firing else { return Ok(false) };
        let read =
            |(context, head): (&Context, &Position)| self.ahead.at(*context).is_some_and(|at| at.position >= *head);
        if !heads.iter().all(read) {
            return Ok(false);
        }
        let by = *by;
        // What followed before stands before it in the table, and what is forgotten is gone from there.
        self.store(engine).await?;
        let mut tx = self.term.transaction(&engine.pool).await?;
        let rows = timers::fire(&mut tx, engine.policy.name, by, TIMERS_MAX).await?;
        tx.commit().await?;
        timers_total(engine.policy.name).increment(u64::try_from(rows.len()).unwrap_or_default());
        if i64::try_from(rows.len()).is_ok_and(|count| count < TIMERS_MAX) {
            self.firing = None;
            self.look_at = Instant::now();
        }
        rows.into_iter().for_each(|row| self.backlog.stands(row));
        Ok(true)
    }

    /// Begins what is due outside.
    async fn ask_outside(&mut self, engine: &Engine) -> Result<(), Stopped> {
        match &mut self.effects {
            // What is stored meanwhile would be met again in a table that is still being read.
            Some(effects) if !self.more => effects.begin(&engine.pool, engine.policy.name, self.term).await,
            Some(_) | None => Ok(()),
        }
    }

    /// Stores what came of it, and notes what is to be recorded of that.
    async fn record(&mut self, engine: &Engine) -> Result<(), Stopped> {
        if let Some(effects) = &mut self.effects {
            let rows = effects.settle(&engine.pool, engine.policy.name, self.term).await?;
            rows.into_iter().for_each(|row| self.backlog.stands(row));
        }
        Ok(())
    }

    fn wake_at(&self) -> Instant {
        let effects = self.effects.as_ref().map(|effects| effects.look_at());
        [effects, self.ahead.store_at()].into_iter().flatten().fold(self.look_at, Instant::min)
    }

    /// Sends as much as may be under way.
    fn send(&mut self, engine: &Engine) {
        while self.under_way.len() < IN_FLIGHT_MAX {
            let Some(sending) = self.backlog.next() else { return };
            let (sender, policy) = (engine.sender.clone(), engine.policy.name);
            self.under_way.spawn(async move {
                loop {
                    match sender.send(policy, &sending.noted).await {
                        Sent::Later(why) => {
                            tracing::debug!(policy, why, "A command cannot be asked for now");
                            tokio::time::sleep(RETRY).await;
                        }
                        sent => return (sending, sent),
                    }
                }
            });
        }
    }

    async fn settle(&mut self, engine: &Engine, sent: Result<(Sending, Sent), JoinError>) -> Result<(), Stopped> {
        let policy = engine.policy.name;
        let (sending, sent) = sent.map_err(|error| Stopped::Database(sqlx::Error::Io(std::io::Error::other(error))))?;
        platform::faults::pass("policy.answered");
        dispatches_total(policy, if let Sent::Refused(_) = &sent { "refused" } else { "done" }).increment(1);
        match sent {
            Sent::Done | Sent::Later(_) => self.backlog.answered(&sending),
            Sent::Refused(why) => {
                let (kind, id) = &sending.noted.target;
                tracing::error!(
                    policy,
                    why,
                    "A command was refused, so that it and what follows for {kind} {id} wait; see `handsel policies \
                     parked`: {why}"
                );
                self.park(engine, &sending, &why).await?;
            }
        }
        Ok(())
    }

    /// It stays in the table until a person has looked at it.
    async fn park(&mut self, engine: &Engine, sending: &Sending, why: &str) -> Result<(), Stopped> {
        if self.backlog.number(sending).is_none() {
            self.store(engine).await?;
        }
        if let Some(number) = self.backlog.number(sending) {
            let mut tx = self.term.transaction(&engine.pool).await?;
            dispatches::park(&mut tx, number, why).await?;
            tx.commit().await?;
        }
        self.backlog.refused(sending);
        Ok(())
    }

    /// Removes what was answered. Where this is not reached, it is sent again and answered as before.
    async fn forget(&mut self, engine: &Engine) -> Result<(), Stopped> {
        if !self.backlog.over().is_empty() {
            dispatches::remove(&engine.pool, self.backlog.over()).await?;
            self.backlog.removed();
        }
        Ok(())
    }
}

fn dispatches_total(policy: &'static str, outcome: &'static str) -> metrics::Counter {
    metrics::counter!("handsel_policy_dispatches_total", "policy" => policy, "outcome" => outcome)
}

fn timers_total(policy: &'static str) -> metrics::Counter {
    metrics::counter!("handsel_policy_timers_total", "policy" => policy)
}

/// Shown from the start: a counter that appears with its first count has no rate then.
pub(crate) fn show_metrics(policy: &'static str, kind: Option<&Kind>) {
    for outcome in ["done", "refused"] {
        dispatches_total(policy, outcome).increment(0);
    }
    timers_total(policy).increment(0);
    if let Some(kind) = kind {
        (kind.show_metrics)();
    }
}

/// Something came of what was begun outside, if anything is.
async fn answered(effects: &mut Option<Box<dyn Effects>>) {
    match effects {
        Some(effects) => effects.answered().await,
        None => std::future::pending().await,
    }
}

/// How long until the agenda is worth another look.
fn pause(now: DateTime<Utc>, next: Option<DateTime<Utc>>) -> Duration {
    next.and_then(|next| (next - now).to_std().ok()).map_or(LOOK_EVERY, |wait| wait.min(LOOK_EVERY))
}
