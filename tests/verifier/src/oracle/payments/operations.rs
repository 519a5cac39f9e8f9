//! What is shown of the operations of payments, from what happened to them.

use std::collections::{BTreeMap, BTreeSet};

use envelope::{Recorded, Timestamp};
use event_schemas::ids::OperationId;
use event_schemas::payments::{OperationKind, PaymentEvent};
use event_schemas::{Currency, Event, Money};
use event_store::RawPayload;
use uuid::Uuid;

use super::super::{Asked, Keys, Oracle, Row, cell, decoded};

/// An operation that was asked for.
struct Operation {
    kind: OperationKind,
    amount_minor: i64,
    currency: Currency,
    state: &'static str,
    code: Option<String>,
    reason: Option<String>,
    action_url: Option<String>,
    reference: Option<String>,
    version: i64,
    requested_at: Timestamp,
    ended_at: Option<Timestamp>,
}

/// Every operation of every payment.
#[derive(Default)]
pub(in super::super) struct Operations(BTreeMap<(Uuid, Uuid), Operation>);

impl Oracle for Operations {
    fn take(&mut self, event: &Recorded<RawPayload>) -> anyhow::Result<()> {
        let Event::Payments(happened) = decoded(event)? else { return Ok(()) };
        let (payment, version, at): (Uuid, _, _) = (event.aggregate_id.parse()?, event.sequence, event.recorded_at);
        let news = News::of(happened);
        let (operation, ended_at) = (news.operation.0, news.is_end.then_some(at));
        if let Some((kind, amount)) = news.asked {
            let new = Operation {
                kind,
                amount_minor: amount.amount_minor,
                currency: amount.currency,
                state: news.state,
                code: None,
                reason: None,
                action_url: None,
                reference: None,
                version,
                requested_at: at,
                ended_at: None,
            };
            // A void that waited is asked for twice: when it began to wait, and when it went on.
            let found = self.0.entry((payment, operation)).or_insert(new);
            (found.state, found.version) = (news.state, version);
            return Ok(());
        }
        // Where the request was left out by hand, there is nothing to change.
        let Some(found) = self.0.get_mut(&(payment, operation)) else { return Ok(()) };
        let Operation { kind, amount_minor, currency, requested_at, .. } = *found;
        let News { state, code, reason, action_url, reference, .. } = news;
        *found = Operation {
            kind,
            amount_minor,
            currency,
            state,
            code,
            reason,
            action_url,
            reference,
            version,
            requested_at,
            ended_at: ended_at.or(found.ended_at),
        };
        Ok(())
    }

    fn rows(self: Box<Self>, _: &Keys) -> anyhow::Result<Vec<Row>> {
        let row = |((payment, id), operation): (&(Uuid, Uuid), &Operation)| {
            Row::new([
                ("payment", cell(payment)),
                ("operation", cell(id)),
                ("kind", cell(operation.kind)),
                ("amount_minor", cell(operation.amount_minor)),
                ("currency", cell(operation.currency)),
                ("state", cell(operation.state)),
                ("code", operation.code.as_ref().and_then(cell)),
                ("reason", operation.reason.as_ref().and_then(cell)),
                ("action_url", operation.action_url.as_ref().and_then(cell)),
                ("reference", operation.reference.as_ref().and_then(cell)),
                ("version", cell(operation.version)),
                ("requested_at", cell(operation.requested_at)),
                ("ended_at", operation.ended_at.and_then(cell)),
            ])
        };
        Ok(self.0.iter().map(row).collect())
    }
}

/// What an event tells of one operation.
struct News {
    operation: OperationId,
    asked: Option<(OperationKind, Money)>,
    state: &'static str,
    is_end: bool,
    code: Option<String>,
    reason: Option<String>,
    action_url: Option<String>,
    reference: Option<String>,
}

impl News {
    fn of(happened: PaymentEvent) -> Self {
        use OperationKind::{Authorize, Capture, Refund, Void};
        use PaymentEvent as E;
        match happened {
            E::PaymentAuthorizationRequested { operation, amount, .. } => {
                Self::asked(operation, Authorize, amount, "requested")
            }
            E::PaymentCaptureRequested { operation, amount, .. } => {
                Self::asked(operation, Capture, amount, "requested")
            }
            E::PaymentVoidRequested { operation, amount, .. } => Self::asked(operation, Void, amount, "requested"),
            E::PaymentVoidDeferred { operation, amount, .. } => Self::asked(operation, Void, amount, "deferred"),
            E::PaymentRefundRequested { operation, amount, .. } => Self::asked(operation, Refund, amount, "requested"),
            E::PaymentVoidDropped { operation, .. } => Self { is_end: true, ..Self::state(operation, "dropped") },
            E::PaymentOperationPending { operation, reason, action_url, .. } => {
                Self { code: Some(reason), action_url, ..Self::state(operation, "pending") }
            }
            E::PaymentOperationUnknown { operation, reason, .. } => {
                Self { reason: Some(reason), ..Self::state(operation, "unknown") }
            }
            E::PaymentOperationFailed { operation, code, reason, .. } => {
                let (code, reason) = (Some(code), Some(reason));
                Self { is_end: true, code, reason, ..Self::state(operation, "failed") }
            }
            E::PaymentAuthorized { operation, reference, .. }
            | E::PaymentCaptured { operation, reference, .. }
            | E::PaymentVoided { operation, reference, .. }
            | E::PaymentRefunded { operation, reference, .. } => {
                Self { is_end: true, reference, ..Self::state(operation, "succeeded") }
            }
        }
    }

    fn asked(operation: OperationId, kind: OperationKind, amount: Money, state: &'static str) -> Self {
        Self { asked: Some((kind, amount)), ..Self::state(operation, state) }
    }

    fn state(operation: OperationId, state: &'static str) -> Self {
        let (code, reason, action_url, reference) = (None, None, None, None);
        Self { operation, asked: None, state, is_end: false, code, reason, action_url, reference }
    }
}

/// So many payments are asked for their operations; each is a question.
const PAYMENTS_MAX: usize = 200;

/// How operations are asked for: of some payments, spread over all.
pub(in super::super) fn operations(rows: &[&Row]) -> Vec<Asked> {
    let fields = &[
        ("/payment", "payment"),
        ("/operation", "operation"),
        ("/kind", "kind"),
        ("/amount/amount_minor", "amount_minor"),
        ("/amount/currency", "currency"),
        ("/state", "state"),
        ("/code", "code"),
        ("/reason", "reason"),
        ("/action_url", "action_url"),
        ("/reference", "reference"),
        ("/version", "version"),
        ("/requested_at", "requested_at"),
        ("/ended_at", "ended_at"),
    ];
    let payments: BTreeSet<&str> = rows.iter().map(|row| row.column("payment")).collect();
    let step = (payments.len() / PAYMENTS_MAX).max(1);
    let one =
        |payment: &str| Asked::list(format!("/v1/payments/{payment}/operations"), fields).given("payment", payment);
    payments.into_iter().step_by(step).map(one).collect()
}
