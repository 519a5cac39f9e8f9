//! Money: an order is paid once, never more is taken than was promised or given back than was taken, and the provider
//! that is simulated moved it as often as was recorded.

use std::collections::{BTreeMap, BTreeSet};

use envelope::{Position, Recorded};
use event_schemas::payments::PaymentEvent;
use event_schemas::{Context, Event};
use event_store::{RawPayload, StoreError};
use platform::bar::Bar;
use sqlx::PgPool;
use uuid::Uuid;

use super::Check;
use crate::subject::StoreOf;
use crate::{Outcome, Subject};

const INVARIANTS: &[&str] = &["I16"];
/// Events read in one short transaction.
const RANGE_EVENTS: i64 = 50_000;

pub(super) const CHECK: Check =
    Check { invariants: INVARIANTS, what: "payments", run: |subject| Box::pin(check(subject)) };

/// What happened to the money of one payment.
#[derive(Default)]
struct Money {
    order: Option<Uuid>,
    is_simulated: bool,
    authorized: i128,
    captured: i128,
    refunded: i128,
    voided: bool,
}

#[derive(Default)]
struct Seen {
    payments: BTreeMap<String, Money>,
    /// Operations that succeeded at a simulated provider, and those that failed.
    succeeded: BTreeSet<Uuid>,
    failed: BTreeSet<Uuid>,
    unreadable: Vec<String>,
}

async fn check(subject: &Subject) -> anyhow::Result<Vec<Outcome>> {
    let Some(store) = subject.stores.get(&Context::Payments) else { return Ok(Vec::new()) };
    let seen = read(store).await?;
    let mut outcome = Outcome::of(INVARIANTS, "store payments: an order is paid once, and no more than was promised");
    seen.unreadable.iter().for_each(|reason| outcome.violated(reason));
    outcome.see("payments", seen.payments.len());
    let mut paid: BTreeMap<Uuid, &str> = BTreeMap::new();
    for (id, money) in &seen.payments {
        for reason in money.violations() {
            outcome.violated(format!("payment {id}: {reason}"));
        }
        if let Some(order) = money.order.filter(|_| money.captured > 0)
            && let Some(other) = paid.insert(order, id)
        {
            outcome.violated(format!("order {order} is paid by payment {other} and by payment {id}"));
        }
    }
    outcome.see("orders paid", paid.len());
    Ok(vec![outcome, journal(&store.database, &seen).await?])
}

async fn read(store: &StoreOf) -> anyhow::Result<Seen> {
    let last = store.reader.head().await?.position.get();
    let bar = Bar::new("money of payments".to_owned(), Some(last.unsigned_abs()));
    let (mut seen, mut at) = (Seen::default(), 0);
    while at < last {
        let up_to = (at + RANGE_EVENTS).min(last);
        let each = |event: Recorded<RawPayload>| {
            seen.take(&event);
            Ok::<_, StoreError>(())
        };
        store.reader.range_copy(Position(at), Position(up_to), each).await?;
        bar.add((up_to - at).unsigned_abs());
        at = up_to;
    }
    bar.finish();
    Ok(seen)
}

impl Seen {
    fn take(&mut self, event: &Recorded<RawPayload>) {
        let decoded = Event::decode(Context::Payments, &event.event_type, &event.event_version, event.data.get());
        let what = match decoded {
            Ok(Event::Payments(what)) => what,
            Ok(_) => return,
            Err(error) => {
                self.unreadable.push(format!("position {}: {error}", event.position));
                return;
            }
        };
        let money = self.payments.entry(event.aggregate_id.clone()).or_default();
        match what {
            PaymentEvent::PaymentAuthorizationRequested { order, method, .. } => {
                (money.order, money.is_simulated) = (Some(order.0), method.starts_with("pm_sim_"));
            }
            PaymentEvent::PaymentAuthorized { operation, amount, .. } => {
                money.authorized += i128::from(amount.amount_minor);
                self.succeeded.extend(money.is_simulated.then_some(operation.0));
            }
            PaymentEvent::PaymentCaptured { operation, amount, .. } => {
                money.captured += i128::from(amount.amount_minor);
                self.succeeded.extend(money.is_simulated.then_some(operation.0));
            }
            PaymentEvent::PaymentRefunded { operation, amount, .. } => {
                money.refunded += i128::from(amount.amount_minor);
                self.succeeded.extend(money.is_simulated.then_some(operation.0));
            }
            PaymentEvent::PaymentVoided { operation, .. } => {
                money.voided = true;
                self.succeeded.extend(money.is_simulated.then_some(operation.0));
            }
            PaymentEvent::PaymentOperationFailed { operation, .. } => {
                self.failed.extend(money.is_simulated.then_some(operation.0));
            }
            PaymentEvent::PaymentCaptureRequested { .. }
            | PaymentEvent::PaymentVoidRequested { .. }
            | PaymentEvent::PaymentRefundRequested { .. }
            | PaymentEvent::PaymentVoidDeferred { .. }
            | PaymentEvent::PaymentVoidDropped { .. }
            | PaymentEvent::PaymentOperationPending { .. }
            | PaymentEvent::PaymentOperationUnknown { .. } => {}
        }
    }
}

impl Money {
    fn violations(&self) -> Vec<String> {
        let Self { authorized, captured, refunded, voided, .. } = self;
        let mut found = Vec::new();
        if captured > authorized {
            found.push(format!("{captured} minor units were captured and {authorized} authorized"));
        }
        if refunded > captured {
            found.push(format!("{refunded} minor units were refunded and {captured} captured"));
        }
        if *voided && *captured > 0 {
            found.push(format!("it was voided, and {captured} minor units were captured"));
        }
        found
    }
}

/// The simulator's books lie beside the store, if it was ever asked. They are read last: money moves before anybody
/// hears of it.
async fn journal(database: &PgPool, seen: &Seen) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::of(INVARIANTS, "the payment simulator moved money as often as was recorded");
    let exists: bool =
        sqlx::query_scalar("select to_regclass('sim_payments.journal') is not null").fetch_one(database).await?;
    if !exists {
        return Ok(outcome.not_looked_at("nothing was ever asked of the payment simulator here"));
    }
    let entries: Vec<(Uuid, i64)> =
        sqlx::query_as("select operation, count(*) from sim_payments.journal group by operation order by operation")
            .fetch_all(database)
            .await?;
    let moved: BTreeSet<Uuid> = entries.iter().map(|(operation, _)| *operation).collect();
    for (operation, count) in entries.iter().filter(|(_, count)| *count > 1) {
        outcome.violated(format!("operation {operation}: the provider moved the money {count} times"));
    }
    // What was copied from elsewhere, such as by a replay, was done by another provider.
    let known: Vec<Uuid> =
        sqlx::query_scalar("select operation from sim_payments.operations").fetch_all(database).await?;
    for operation in known.iter().filter(|known| seen.succeeded.contains(*known) && !moved.contains(*known)) {
        outcome.violated(format!("operation {operation}: it is recorded that it succeeded, and nothing moved"));
    }
    for operation in seen.failed.intersection(&moved) {
        outcome.violated(format!("operation {operation}: it is recorded that it failed, and the money moved"));
    }
    outcome.see("movements", entries.len());
    outcome.see("operations", known.len());
    Ok(outcome)
}
