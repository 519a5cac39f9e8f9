//! Mail, as an effect: what is noted, what is handed over, and what came of it.
//!
//! What comes next with a mail says [`crate::mail::step`]; here it is stored before and after the server is asked.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::orders::Order;
use domain::policies::Policy;
use envelope::Recorded;
use event_schemas::{Context, Event};
use event_store::Commands;
use sqlx::{PgConnection, PgPool};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Effects, Kind};
use crate::dispatches;
use crate::mail::ledger::{self, Agenda, Row};
use crate::mail::step::{Came, State, Step};
use crate::mail::{Letter, Mailer};
use crate::reading::Stopped;
use crate::term::Term;

/// Events of orders are told of by mail.
pub(super) const KIND: Kind = Kind {
    policy: Policy { name: "order_mail", contexts: &[Context::Orders], react: |_| vec![] },
    begin: |engine| Box::new(Mails::new(engine.mailer.clone(), engine.sender.orders.clone())),
    show_metrics,
};

/// How many mails are handed over at once.
const UNDER_WAY_MAX: usize = 8;
/// How long nothing at all may happen before the ledger is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Mail, at work.
struct Mails {
    mailer: Mailer,
    orders: Commands<Order>,
    under_way: JoinSet<Came>,
    busy: HashMap<Id, Row>,
    /// The newest that came, which is not stored yet.
    came: Option<(Row, Came)>,
    look_at: Instant,
    parked: i64,
}

impl Mails {
    fn new(mailer: Mailer, orders: Commands<Order>) -> Self {
        let (under_way, busy) = (JoinSet::new(), HashMap::new());
        Self { mailer, orders, under_way, busy, came: None, look_at: Instant::now(), parked: 0 }
    }

    /// How many more may be under way.
    fn free(&self) -> usize {
        UNDER_WAY_MAX.saturating_sub(self.busy.len())
    }

    fn ended(&mut self, ended: Result<(Id, Came), JoinError>) {
        let (id, came) = ended.unwrap_or_else(|error| {
            tracing::error!(%error, "Handing over a mail panicked");
            (error.id(), Came::NotNow("handing it over panicked; the log says where".to_owned()))
        });
        self.came = self.busy.remove(&id).map(|row| (row, came));
    }
}

#[async_trait]
impl Effects for Mails {
    fn asks(&self, event: &Recorded<Event>) -> bool {
        Letter::of(event).is_some()
    }

    fn is_urgent(&self) -> bool {
        false
    }

    async fn note(&mut self, db: &mut PgConnection, policy: &str, events: &[Arc<Recorded<Event>>]) -> sqlx::Result<()> {
        self.look_at = Instant::now();
        ledger::note(db, policy, events).await
    }

    fn look_at(&self) -> Instant {
        // Whatever is due waits for an answer then, and that is heard of.
        if self.free() == 0 { Instant::now() + LOOK_EVERY } else { self.look_at }
    }

    async fn begin(&mut self, pool: &PgPool, policy: &str, term: Term) -> Result<(), Stopped> {
        let free = self.free();
        if free == 0 || Instant::now() < self.look_at {
            return Ok(());
        }
        let busy: Vec<_> = self.busy.values().map(|row| row.event_id).collect();
        let Agenda { now, next, parked } = ledger::agenda(pool, policy, &busy).await?;
        self.parked = parked;
        let wait = next.map(|next| (next - now).to_std().unwrap_or_default());
        self.look_at = Instant::now() + wait.map_or(LOOK_EVERY, |wait| wait.min(LOOK_EVERY));
        if wait != Some(Duration::ZERO) {
            return Ok(());
        }
        let mut tx = term.transaction(pool).await?;
        let rows = ledger::take(&mut tx, policy, &busy, free).await?;
        tx.commit().await?;
        platform::faults::pass("mail.begun");
        for row in rows {
            let (mailer, orders, pool) = (self.mailer.clone(), self.orders.clone(), pool.clone());
            let (id, letter) = (row.event_id, row.letter.clone());
            let task = self.under_way.spawn(async move { mailer.send(&orders, &pool, id, &letter).await });
            self.busy.insert(task.id(), row);
        }
        Ok(())
    }

    async fn answered(&mut self) {
        while self.came.is_none() {
            match self.under_way.join_next_with_id().await {
                Some(ended) => self.ended(ended),
                None => return std::future::pending().await,
            }
        }
    }

    async fn settle(
        &mut self,
        pool: &PgPool,
        policy: &'static str,
        term: Term,
    ) -> Result<Vec<dispatches::Row>, Stopped> {
        platform::faults::pass("mail.answered");
        let mut steps = Vec::new();
        // What came meanwhile is stored along.
        while let Some((row, came)) = self.came.take() {
            let step = row.progress.came(came, self.mailer.pace());
            told(policy, row.event_id, &step);
            steps.push((row.event_id, step));
            if let Some(ended) = self.under_way.try_join_next_with_id() {
                self.ended(ended);
            }
        }
        let mut tx = term.transaction(pool).await?;
        ledger::put(&mut tx, &steps).await?;
        tx.commit().await?;
        self.look_at = Instant::now();
        Ok(vec![])
    }

    fn remark(&self) -> Option<String> {
        let parked = self.parked;
        (parked > 0).then(|| format!("{parked} mails were refused and wait for a person: see `handsel mails parked`"))
    }
}

/// Says what became of a mail, to whoever looks after it.
fn told(policy: &'static str, mail: Uuid, step: &Step) {
    mails_total(if step.again_in.is_some() { "retried" } else { step.progress.state.name() }).increment(1);
    let why = step.why.as_deref().unwrap_or_default();
    match step.progress.state {
        State::Due | State::Sending => tracing::warn!(policy, %mail, why, "A mail is tried again: {why}"),
        State::Sent => tracing::debug!(policy, %mail, "A mail was handed over"),
        State::NoRecipient => tracing::warn!(policy, %mail, why, "A mail has no recipient: {why}"),
        State::Parked => {
            tracing::error!(policy, %mail, why, "A mail waits for a person, see `handsel mails parked`: {why}");
        }
    }
}

fn mails_total(outcome: &'static str) -> metrics::Counter {
    metrics::counter!("handsel_mails_total", "outcome" => outcome)
}

/// Shown from the start.
fn show_metrics() {
    for outcome in ["sent", "retried", "parked", "no_recipient"] {
        mails_total(outcome).increment(0);
    }
}
