//! Money is promised, taken and given back; never is more taken than was promised, or more given back than was taken.

use std::collections::BTreeMap;

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use event_schemas::payments::OperationKind::{Authorize, Capture, Refund, Void};
use event_schemas::payments::PaymentEvent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::opened::Opened;
use super::operation::{Operation, OperationState};
use super::{AMOUNT_MINOR_MAX, PaymentCommand, PaymentError};
use crate::Folded;
use crate::text::is_token;

/// Holds only what `decide` asks about, and what a request must tell the provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Payment {
    /// Nothing was ever asked of it.
    #[default]
    Absent,
    /// An amount was to be authorized, and whatever came of it.
    Opened(Box<Opened>),
}

impl Payment {
    /// Every rule is a row: a state, a command, and what follows from them.
    ///
    /// # Errors
    /// The reason why nothing follows.
    pub fn decide(&self, command: PaymentCommand) -> Result<Vec<PaymentEvent>, PaymentError> {
        use PaymentCommand as Ask;
        match (self, command) {
            (
                _,
                Ask::Authorize { amount, .. }
                | Ask::Capture { amount: Some(amount), .. }
                | Ask::Refund { amount: Some(amount), .. },
            ) if !(1..=AMOUNT_MINOR_MAX).contains(&amount.amount_minor) => Err(PaymentError::BadAmount),
            (_, Ask::Authorize { method, .. }) if !is_token(&method) => Err(PaymentError::BadMethod),
            (_, Ask::Record { outcome, .. }) if !outcome.is_well_formed() => Err(PaymentError::BadOutcome),
            (Self::Absent, Ask::Authorize { payment, order, payer, amount, method, operation }) => {
                let event =
                    PaymentEvent::PaymentAuthorizationRequested { payment, order, payer, amount, method, operation };
                Ok(vec![event])
            }
            (Self::Absent, Ask::Capture { .. } | Ask::Void { .. } | Ask::Refund { .. } | Ask::Record { .. }) => {
                Err(PaymentError::NotFound)
            }
            (Self::Opened(opened), Ask::Authorize { order, payer, amount, method, operation, .. }) => {
                let asked = (&opened.order, &opened.payer, &opened.amount, &opened.method, &opened.authorization);
                let same = asked == (&order, &payer, &amount, &method, &operation);
                if same { Ok(vec![]) } else { Err(PaymentError::AlreadyExists) }
            }
            (Self::Opened(opened), Ask::Capture { operation, amount }) => opened.capture(operation, amount),
            (Self::Opened(opened), Ask::Void { operation }) => opened.void(operation),
            (Self::Opened(opened), Ask::Refund { operation, amount }) => opened.refund(operation, amount),
            (Self::Opened(opened), Ask::Record { operation, outcome }) => opened.record(operation, outcome),
        }
    }

    /// What happened is never refused: no rule, no error, no clock. What begins with no authorization stays absent.
    pub fn evolve(&mut self, event: PaymentEvent) {
        use PaymentEvent as E;
        if let E::PaymentAuthorizationRequested { order, payer, amount, method, operation, .. } = event {
            let first =
                Operation { kind: Authorize, amount_minor: amount.amount_minor, state: OperationState::Requested };
            let operations = BTreeMap::from([(operation, first)]);
            let opened = Opened { order, payer, amount, method, authorization: operation, operations };
            *self = Self::Opened(Box::new(opened));
            return;
        }
        let Self::Opened(opened) = self else { return };
        match event {
            E::PaymentAuthorizationRequested { .. } => {}
            E::PaymentCaptureRequested { operation, amount, .. } => opened.request(operation, Capture, amount),
            E::PaymentVoidRequested { operation, amount, .. } => opened.request(operation, Void, amount),
            E::PaymentRefundRequested { operation, amount, .. } => opened.request(operation, Refund, amount),
            E::PaymentVoidDeferred { operation, amount, .. } => {
                opened.request(operation, Void, amount);
                opened.set(operation, OperationState::Deferred);
            }
            E::PaymentVoidDropped { operation, .. } => opened.set(operation, OperationState::Dropped),
            E::PaymentOperationPending { operation, reason, action_url, .. } => {
                opened.set(operation, OperationState::Pending { reason, action_url });
            }
            E::PaymentOperationUnknown { operation, .. } => opened.set(operation, OperationState::Unknown),
            E::PaymentOperationFailed { operation, .. } => opened.set(operation, OperationState::Failed),
            E::PaymentAuthorized { operation, reference, .. }
            | E::PaymentCaptured { operation, reference, .. }
            | E::PaymentVoided { operation, reference, .. }
            | E::PaymentRefunded { operation, reference, .. } => {
                opened.set(operation, OperationState::Succeeded { reference });
            }
        }
    }

    /// What was asked of it and what came of it; `None` if nothing was.
    #[must_use]
    pub fn opened(&self) -> Option<&Opened> {
        match self {
            Self::Absent => None,
            Self::Opened(opened) => Some(opened),
        }
    }
}

impl Folded for Payment {
    const FOLD: u32 = 1;
}

impl Aggregate for Payment {
    const TYPE: &'static str = "payment";
    type Command = PaymentCommand;
    type Event = PaymentEvent;
    type Error = PaymentError;
    type Services = ();

    async fn handle(&mut self, ask: PaymentCommand, _: &(), sink: &EventSink<Self>) -> Result<(), PaymentError> {
        for event in self.decide(ask)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: PaymentEvent) {
        self.evolve(event);
    }
}
