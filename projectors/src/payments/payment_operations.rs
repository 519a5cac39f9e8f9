//! `read.payment_operations`: one row for each operation of a payment, and how far it has come.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use envelope::Recorded;
use event_schemas::ids::OperationId;
use event_schemas::payments::{OperationKind, PaymentEvent};
use event_schemas::{Context, Event, Money};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Happened, happened};
use crate::projection::{Failed, Projection, View};
use crate::table::Table;

/// Every operation of every payment.
pub struct PaymentOperations;

/// Of which payment, and which of its operations.
type Key = (Uuid, Uuid);

/// A row as the table has it: read as JSON, changed, and written as JSON.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    payment: Uuid,
    operation: Uuid,
    kind: String,
    amount_minor: i64,
    currency: String,
    state: String,
    code: Option<String>,
    reason: Option<String>,
    action_url: Option<String>,
    reference: Option<String>,
    version: i64,
    requested_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

impl Projection for PaymentOperations {
    type Data = Event;
    const NAME: &'static str = "payment_operations";
    const VERSION: i32 = 1;
    const CONTEXTS: &'static [Context] = &[Context::Payments];
    const TABLES: &'static [Table] = &[Table {
        suffix: "",
        columns: "payment uuid, operation uuid, kind text not null, amount_minor bigint not null,
                  currency text not null, state text not null, code text, reason text, action_url text,
                  reference text, version bigint not null, requested_at timestamptz not null, ended_at timestamptz",
        key: &["payment", "operation"],
        indexes: &[],
    }];

    async fn apply(view: &mut View<'_>, batch: &[Recorded<Event>]) -> Result<(), Failed> {
        let happened = happened(batch)?;
        if happened.is_empty() {
            return Ok(());
        }
        let mut rows = load(view, happened.iter().map(|one| one.payment).collect()).await?;
        for one in happened {
            take(&mut rows, &one);
        }
        save(view, rows.into_values().collect()).await
    }
}

fn take(rows: &mut BTreeMap<Key, Row>, one: &Happened<'_>) {
    use OperationKind::{Authorize, Capture, Refund, Void};
    match one.what {
        PaymentEvent::PaymentAuthorizationRequested { operation, amount, .. } => {
            asked(rows, one, *operation, Authorize, amount, "requested");
        }
        PaymentEvent::PaymentCaptureRequested { operation, amount, .. } => {
            asked(rows, one, *operation, Capture, amount, "requested");
        }
        PaymentEvent::PaymentVoidRequested { operation, amount, .. } => {
            asked(rows, one, *operation, Void, amount, "requested");
        }
        PaymentEvent::PaymentVoidDeferred { operation, amount, .. } => {
            asked(rows, one, *operation, Void, amount, "deferred");
        }
        PaymentEvent::PaymentRefundRequested { operation, amount, .. } => {
            asked(rows, one, *operation, Refund, amount, "requested");
        }
        PaymentEvent::PaymentVoidDropped { operation, .. } => {
            change(rows, one, *operation, |row| row.end(one, "dropped"))
        }
        PaymentEvent::PaymentOperationPending { operation, reason, action_url, .. } => {
            change(rows, one, *operation, |row| {
                row.is("pending", Some(reason), None);
                row.action_url.clone_from(action_url);
            });
        }
        PaymentEvent::PaymentOperationUnknown { operation, reason, .. } => {
            change(rows, one, *operation, |row| row.is("unknown", None, Some(reason)));
        }
        PaymentEvent::PaymentOperationFailed { operation, code, reason, .. } => {
            change(rows, one, *operation, |row| {
                row.end(one, "failed");
                (row.code, row.reason) = (Some(code.clone()), Some(reason.clone()));
            });
        }
        PaymentEvent::PaymentAuthorized { operation, reference, .. }
        | PaymentEvent::PaymentCaptured { operation, reference, .. }
        | PaymentEvent::PaymentVoided { operation, reference, .. }
        | PaymentEvent::PaymentRefunded { operation, reference, .. } => {
            change(rows, one, *operation, |row| {
                row.end(one, "succeeded");
                row.reference.clone_from(reference);
            });
        }
    }
}

/// A void that waited was asked for when it began to wait.
fn asked(
    rows: &mut BTreeMap<Key, Row>,
    one: &Happened<'_>,
    operation: OperationId,
    kind: OperationKind,
    amount: &Money,
    state: &str,
) {
    let at = one.event.recorded_at.utc();
    let row = Row {
        payment: one.payment,
        operation: operation.0,
        kind: kind.to_string(),
        amount_minor: amount.amount_minor,
        currency: amount.currency.to_string(),
        state: state.to_owned(),
        code: None,
        reason: None,
        action_url: None,
        reference: None,
        version: 0,
        requested_at: at,
        ended_at: None,
    };
    let found = rows.entry((one.payment, operation.0)).or_insert(row);
    state.clone_into(&mut found.state);
    found.version = one.event.sequence;
}

/// Where the request was skipped by hand, there is nothing to change.
fn change(rows: &mut BTreeMap<Key, Row>, one: &Happened<'_>, operation: OperationId, how: impl FnOnce(&mut Row)) {
    if let Some(row) = rows.get_mut(&(one.payment, operation.0)) {
        how(row);
        row.version = one.event.sequence;
    }
}

impl Row {
    fn is(&mut self, state: &str, code: Option<&String>, reason: Option<&String>) {
        state.clone_into(&mut self.state);
        (self.code, self.reason, self.action_url) = (code.cloned(), reason.cloned(), None);
    }

    fn end(&mut self, one: &Happened<'_>, state: &str) {
        self.is(state, None, None);
        self.ended_at = Some(one.event.recorded_at.utc());
    }
}

/// The rows that are there of these payments.
async fn load(view: &mut View<'_>, payments: Vec<Uuid>) -> Result<BTreeMap<Key, Row>, Failed> {
    let sql = format!("select to_json(t)::text from {} as t where payment = any($1)", view.table());
    let texts: Vec<String> = sqlx::query_scalar(&sql).bind(payments).fetch_all(&mut *view.db).await?;
    let read = |text: String| serde_json::from_str::<Row>(&text).map(|row| ((row.payment, row.operation), row));
    texts.into_iter().map(read).collect::<Result<_, _>>().map_err(Failed::event)
}

async fn save(view: &mut View<'_>, rows: Vec<Row>) -> Result<(), Failed> {
    let table = view.table();
    let sql = format!(
        "insert into {table} as t select * from json_populate_recordset(null::{table}, $1::json)
         on conflict (payment, operation) do update set
            (kind, amount_minor, currency, state, code, reason, action_url, reference, version, requested_at,
             ended_at) =
            (excluded.kind, excluded.amount_minor, excluded.currency, excluded.state, excluded.code, excluded.reason,
             excluded.action_url, excluded.reference, excluded.version, excluded.requested_at, excluded.ended_at)"
    );
    let rows = serde_json::to_string(&rows).map_err(Failed::event)?;
    sqlx::query(&sql).bind(rows).execute(&mut *view.db).await?;
    Ok(())
}
