//! `read.payments`: one row for each payment, with what was promised, taken and given back.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use envelope::Recorded;
use event_schemas::payments::{OperationKind, PaymentEvent};
use event_schemas::{Context, Event, Money};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Happened, happened};
use crate::projection::{Failed, Projection, View};
use crate::table::Table;

/// Every payment by its id, in whatever state.
pub struct Payments;

/// A row as the table has it: read as JSON, changed, and written as JSON.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    payment: Uuid,
    order_id: Uuid,
    payer: Uuid,
    state: String,
    amount_minor: i64,
    currency: String,
    authorized_minor: i64,
    captured_minor: i64,
    refunded_minor: i64,
    method: String,
    failure_code: Option<String>,
    failure_reason: Option<String>,
    version: i64,
    requested_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
}

impl Projection for Payments {
    type Data = Event;
    const NAME: &'static str = "payments";
    const VERSION: i32 = 1;
    const CONTEXTS: &'static [Context] = &[Context::Payments];
    const TABLES: &'static [Table] = &[Table {
        suffix: "",
        columns: "payment uuid, order_id uuid not null, payer uuid not null, state text not null,
                  amount_minor bigint not null, currency text not null, authorized_minor bigint not null,
                  captured_minor bigint not null, refunded_minor bigint not null, method text not null,
                  failure_code text, failure_reason text, version bigint not null,
                  requested_at timestamptz not null, changed_at timestamptz not null",
        key: &["payment"],
        indexes: &["(order_id, payment)", "(payer, payment)", "(state, payment)"],
    }];

    async fn apply(view: &mut View<'_>, batch: &[Recorded<Event>]) -> Result<(), Failed> {
        let happened = happened(batch)?;
        if happened.is_empty() {
            return Ok(());
        }
        let mut rows = load(view, happened.iter().map(|one| one.payment).collect()).await?;
        for Happened { payment, event, what } in happened {
            if let Some(row) = requested(payment, event, what) {
                rows.insert(payment, row);
            } else if let Some(row) = rows.get_mut(&payment) {
                // Where the first event was skipped by hand, there is nothing to change.
                row.take(event, what)?;
            }
        }
        save(view, rows.into_values().collect()).await
    }
}

/// The row that a payment begins with.
fn requested(payment: Uuid, event: &Recorded<Event>, what: &PaymentEvent) -> Option<Row> {
    let PaymentEvent::PaymentAuthorizationRequested { order, payer, amount, method, .. } = what else { return None };
    let at = event.recorded_at.utc();
    Some(Row {
        payment,
        order_id: order.0,
        payer: payer.0,
        state: "pending".to_owned(),
        amount_minor: amount.amount_minor,
        currency: amount.currency.to_string(),
        authorized_minor: 0,
        captured_minor: 0,
        refunded_minor: 0,
        method: method.clone(),
        failure_code: None,
        failure_reason: None,
        version: event.sequence,
        requested_at: at,
        changed_at: at,
    })
}

impl Row {
    fn take(&mut self, event: &Recorded<Event>, what: &PaymentEvent) -> Result<(), Failed> {
        match what {
            PaymentEvent::PaymentAuthorizationRequested { .. }
            | PaymentEvent::PaymentCaptureRequested { .. }
            | PaymentEvent::PaymentVoidRequested { .. }
            | PaymentEvent::PaymentRefundRequested { .. }
            | PaymentEvent::PaymentVoidDeferred { .. }
            | PaymentEvent::PaymentVoidDropped { .. } => {}
            PaymentEvent::PaymentOperationPending { kind, reason, .. } => {
                let state = if reason == "action_required" { "requires_action" } else { "pending" };
                self.authorization_is(*kind, state);
            }
            PaymentEvent::PaymentOperationUnknown { kind, .. } => self.authorization_is(*kind, "unknown"),
            PaymentEvent::PaymentOperationFailed { kind, code, reason, .. } => {
                self.authorization_is(*kind, "failed");
                (self.failure_code, self.failure_reason) = (Some(code.clone()), Some(reason.clone()));
            }
            PaymentEvent::PaymentAuthorized { amount, .. } => {
                add(&mut self.authorized_minor, amount)?;
                "authorized".clone_into(&mut self.state);
            }
            PaymentEvent::PaymentVoided { .. } => "voided".clone_into(&mut self.state),
            PaymentEvent::PaymentCaptured { amount, .. } => {
                add(&mut self.captured_minor, amount)?;
                self.paid();
            }
            PaymentEvent::PaymentRefunded { amount, .. } => {
                add(&mut self.refunded_minor, amount)?;
                self.paid();
            }
        }
        (self.version, self.changed_at) = (event.sequence, event.recorded_at.utc());
        Ok(())
    }

    /// What is heard of later operations is shown with them: the payment stays what it is.
    fn authorization_is(&mut self, kind: OperationKind, state: &str) {
        if kind == OperationKind::Authorize {
            state.clone_into(&mut self.state);
        }
    }

    /// By how much of it was taken and given back.
    fn paid(&mut self) {
        let state = match (self.captured_minor, self.refunded_minor) {
            (captured, refunded) if refunded > 0 && refunded >= captured => "refunded",
            (_, refunded) if refunded > 0 => "partially_refunded",
            (captured, _) if captured >= self.authorized_minor => "captured",
            _ => "partially_captured",
        };
        state.clone_into(&mut self.state);
    }
}

fn add(sum_minor: &mut i64, amount: &Money) -> Result<(), Failed> {
    let sum = sum_minor.checked_add(amount.amount_minor);
    *sum_minor = sum.ok_or_else(|| Failed::Event("more money than can be counted".into()))?;
    Ok(())
}

/// The rows that are there of these payments.
async fn load(view: &mut View<'_>, payments: Vec<Uuid>) -> Result<BTreeMap<Uuid, Row>, Failed> {
    let sql = format!("select to_json(t)::text from {} as t where payment = any($1)", view.table());
    let texts: Vec<String> = sqlx::query_scalar(&sql).bind(payments).fetch_all(&mut *view.db).await?;
    let read = |text: String| serde_json::from_str::<Row>(&text).map(|row| (row.payment, row));
    texts.into_iter().map(read).collect::<Result<_, _>>().map_err(Failed::event)
}

async fn save(view: &mut View<'_>, rows: Vec<Row>) -> Result<(), Failed> {
    let table = view.table();
    let sql = format!(
        "insert into {table} as t select * from json_populate_recordset(null::{table}, $1::json)
         on conflict (payment) do update set
            (order_id, payer, state, amount_minor, currency, authorized_minor, captured_minor, refunded_minor, method,
             failure_code, failure_reason, version, requested_at, changed_at) =
            (excluded.order_id, excluded.payer, excluded.state, excluded.amount_minor, excluded.currency,
             excluded.authorized_minor, excluded.captured_minor, excluded.refunded_minor, excluded.method,
             excluded.failure_code, excluded.failure_reason, excluded.version, excluded.requested_at,
             excluded.changed_at)"
    );
    let rows = serde_json::to_string(&rows).map_err(Failed::event)?;
    sqlx::query(&sql).bind(rows).execute(&mut *view.db).await?;
    Ok(())
}
