//! What is shown of payments, from what happened to them.

pub(super) mod operations;

use std::collections::BTreeMap;

use envelope::{Recorded, Timestamp};
use event_schemas::payments::{OperationKind, PaymentEvent};
use event_schemas::{Event, Money};
use event_store::RawPayload;
use uuid::Uuid;

use super::{Asked, Keys, Oracle, Row, cell, decoded};

/// A payment that was asked for.
struct Payment {
    order: Uuid,
    payer: Uuid,
    amount: Money,
    method: String,
    /// What is heard of the authorization until something is known of it.
    authorization: &'static str,
    authorized: i128,
    captured: i128,
    refunded: i128,
    voided: bool,
    failure: Option<(String, String)>,
    version: i64,
    requested_at: Timestamp,
    changed_at: Timestamp,
}

/// Every payment, with what was promised, taken and given back.
#[derive(Default)]
pub(super) struct Payments(BTreeMap<Uuid, Payment>);

impl Oracle for Payments {
    fn take(&mut self, event: &Recorded<RawPayload>) -> anyhow::Result<()> {
        let Event::Payments(happened) = decoded(event)? else { return Ok(()) };
        let (id, version, at): (Uuid, _, _) = (event.aggregate_id.parse()?, event.sequence, event.recorded_at);
        if let PaymentEvent::PaymentAuthorizationRequested { order, payer, amount, method, .. } = happened {
            let new = Payment {
                order: order.0,
                payer: payer.0,
                amount,
                method,
                authorization: "pending",
                authorized: 0,
                captured: 0,
                refunded: 0,
                voided: false,
                failure: None,
                version,
                requested_at: at,
                changed_at: at,
            };
            anyhow::ensure!(self.0.insert(id, new).is_none(), "payment {id} was asked for twice");
            return Ok(());
        }
        // Where the first event was left out by hand, there is nothing to change.
        if let Some(payment) = self.0.get_mut(&id) {
            payment.change(happened);
            (payment.version, payment.changed_at) = (version, at);
        }
        Ok(())
    }

    fn rows(self: Box<Self>, _: &Keys) -> anyhow::Result<Vec<Row>> {
        let row = |(id, payment): (&Uuid, &Payment)| {
            let (code, reason) = payment.failure.as_ref().map(|(code, reason)| (code, reason)).unzip();
            Row::new([
                ("payment", cell(id)),
                ("order_id", cell(payment.order)),
                ("payer", cell(payment.payer)),
                ("state", cell(payment.state())),
                ("amount_minor", cell(payment.amount.amount_minor)),
                ("currency", cell(payment.amount.currency)),
                ("authorized_minor", cell(payment.authorized)),
                ("captured_minor", cell(payment.captured)),
                ("refunded_minor", cell(payment.refunded)),
                ("method", cell(&payment.method)),
                ("failure_code", code.and_then(cell)),
                ("failure_reason", reason.and_then(cell)),
                ("version", cell(payment.version)),
                ("requested_at", cell(payment.requested_at)),
                ("changed_at", cell(payment.changed_at)),
            ])
        };
        Ok(self.0.iter().map(row).collect())
    }
}

impl Payment {
    fn change(&mut self, happened: PaymentEvent) {
        match happened {
            PaymentEvent::PaymentAuthorized { amount, .. } => {
                self.authorized += i128::from(amount.amount_minor);
                self.authorization = "authorized";
            }
            PaymentEvent::PaymentCaptured { amount, .. } => self.captured += i128::from(amount.amount_minor),
            PaymentEvent::PaymentRefunded { amount, .. } => self.refunded += i128::from(amount.amount_minor),
            PaymentEvent::PaymentVoided { .. } => self.voided = true,
            PaymentEvent::PaymentOperationFailed { kind, code, reason, .. } => {
                self.failure = Some((code, reason));
                self.heard(kind, "failed");
            }
            PaymentEvent::PaymentOperationPending { kind, reason, .. } => match reason.as_str() {
                "action_required" => self.heard(kind, "requires_action"),
                _ => self.heard(kind, "pending"),
            },
            PaymentEvent::PaymentOperationUnknown { kind, .. } => self.heard(kind, "unknown"),
            PaymentEvent::PaymentAuthorizationRequested { .. }
            | PaymentEvent::PaymentCaptureRequested { .. }
            | PaymentEvent::PaymentVoidRequested { .. }
            | PaymentEvent::PaymentRefundRequested { .. }
            | PaymentEvent::PaymentVoidDeferred { .. }
            | PaymentEvent::PaymentVoidDropped { .. } => {}
        }
    }

    fn heard(&mut self, kind: OperationKind, of_it: &'static str) {
        if kind == OperationKind::Authorize {
            self.authorization = of_it;
        }
    }

    fn state(&self) -> &'static str {
        if self.voided {
            "voided"
        } else if self.refunded > 0 {
            if self.refunded < self.captured { "partially_refunded" } else { "refunded" }
        } else if self.captured > 0 {
            if self.captured < self.authorized { "partially_captured" } else { "captured" }
        } else {
            self.authorization
        }
    }
}

/// How payments are asked for.
pub(super) fn payments(_: &[&Row]) -> Vec<Asked> {
    let fields = &[
        ("/payment", "payment"),
        ("/order", "order_id"),
        ("/payer", "payer"),
        ("/state", "state"),
        ("/amount/amount_minor", "amount_minor"),
        ("/amount/currency", "currency"),
        ("/authorized_minor", "authorized_minor"),
        ("/captured_minor", "captured_minor"),
        ("/refunded_minor", "refunded_minor"),
        ("/method", "method"),
        ("/failure/code", "failure_code"),
        ("/failure/reason", "failure_reason"),
        ("/version", "version"),
        ("/requested_at", "requested_at"),
        ("/changed_at", "changed_at"),
    ];
    vec![Asked::list("/v1/payments", fields)]
}
