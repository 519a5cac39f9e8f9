//! The rules of what may be asked of a payment that was opened.

use std::collections::BTreeMap;

use event_schemas::Money;
use event_schemas::ids::{AccountId, OperationId, OrderId};
use event_schemas::payments::OperationKind::{self, Authorize, Capture, Refund, Void};
use event_schemas::payments::PaymentEvent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{Operation, OperationState};
use super::{OPERATIONS_MAX, Outcome, PaymentError};

/// What was asked of a payment, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Opened {
    /// What is paid.
    pub order: OrderId,
    /// Who pays.
    pub payer: AccountId,
    /// How much was to be authorized.
    pub amount: Money,
    /// By what it is paid.
    pub method: String,
    /// Which operation authorizes it.
    pub authorization: OperationId,
    /// Every operation, the authorization too.
    pub operations: BTreeMap<OperationId, Operation>,
}

impl Opened {
    /// How much has been done of a kind, in minor units.
    #[must_use]
    pub fn done_minor(&self, kind: OperationKind) -> i64 {
        self.sum_minor(kind, Operation::has_succeeded)
    }

    /// How much has been done of a kind or may still be, in minor units.
    #[must_use]
    pub fn taken_minor(&self, kind: OperationKind) -> i64 {
        self.sum_minor(kind, Operation::counts)
    }

    fn sum_minor(&self, kind: OperationKind, which: fn(&Operation) -> bool) -> i64 {
        self.of(kind).filter(|one| which(one)).fold(0, |sum, one| sum.saturating_add(one.amount_minor))
    }

    fn of(&self, kind: OperationKind) -> impl Iterator<Item = &Operation> {
        self.operations.values().filter(move |operation| operation.kind == kind)
    }

    pub(super) fn capture(
        &self,
        operation: OperationId,
        wanted: Option<Money>,
    ) -> Result<Vec<PaymentEvent>, PaymentError> {
        if self.is_known(operation, Capture, wanted)? {
            return Ok(vec![]);
        }
        self.check_currency(wanted)?;
        if self.is_refused() {
            return Err(PaymentError::AuthorizationFailed);
        }
        if self.of(Void).next().is_some() {
            return Err(PaymentError::Voided);
        }
        if self.of(Authorize).all(|one| !one.has_succeeded()) {
            return Err(PaymentError::NotAuthorized);
        }
        let left_minor = self.done_minor(Authorize).saturating_sub(self.taken_minor(Capture));
        let amount = self.part(wanted, left_minor).ok_or(PaymentError::ExceedsAuthorized { left_minor })?;
        self.check_count(Capture)?;
        let (order, method, authorization) = self.told();
        Ok(vec![PaymentEvent::PaymentCaptureRequested { order, operation, amount, method, authorization }])
    }

    pub(super) fn void(&self, operation: OperationId) -> Result<Vec<PaymentEvent>, PaymentError> {
        if self.is_known(operation, Void, None)? || self.is_refused() || self.of(Void).any(Operation::counts) {
            return Ok(vec![]);
        }
        if self.of(Capture).any(Operation::counts) {
            return Err(PaymentError::AlreadyCaptured);
        }
        self.check_count(Void)?;
        if self.done_minor(Authorize) > 0 {
            return Ok(vec![self.void_requested(operation, self.told().2)]);
        }
        Ok(vec![PaymentEvent::PaymentVoidDeferred { order: self.order, operation, amount: self.amount }])
    }

    pub(super) fn refund(
        &self,
        operation: OperationId,
        wanted: Option<Money>,
    ) -> Result<Vec<PaymentEvent>, PaymentError> {
        if self.is_known(operation, Refund, wanted)? {
            return Ok(vec![]);
        }
        self.check_currency(wanted)?;
        let left_minor = self.done_minor(Capture).saturating_sub(self.taken_minor(Refund));
        let amount = self.part(wanted, left_minor).ok_or(PaymentError::ExceedsCaptured { left_minor })?;
        self.check_count(Refund)?;
        let (order, method, authorization) = self.told();
        Ok(vec![PaymentEvent::PaymentRefundRequested { order, operation, amount, method, authorization }])
    }

    pub(super) fn record(&self, operation: OperationId, outcome: Outcome) -> Result<Vec<PaymentEvent>, PaymentError> {
        let of = self.operations.get(&operation).ok_or(PaymentError::OperationNotFound)?;
        if !of.learns_from(&outcome)? {
            return Ok(vec![]);
        }
        let (order, kind) = (self.order, of.kind);
        Ok(match outcome {
            Outcome::Pending { reason, action_url } => {
                vec![PaymentEvent::PaymentOperationPending { order, operation, kind, reason, action_url }]
            }
            Outcome::Unknown { reason } => {
                vec![PaymentEvent::PaymentOperationUnknown { order, operation, kind, reason }]
            }
            Outcome::Failed { code, reason } => {
                let failed = PaymentEvent::PaymentOperationFailed { order, operation, kind, code, reason };
                let dropped = |operation| PaymentEvent::PaymentVoidDropped { order, operation };
                [failed].into_iter().chain(self.waiting(kind).map(dropped)).collect()
            }
            Outcome::Succeeded { reference } => {
                let voided = |waiting| self.void_requested(waiting, reference.clone());
                let then: Vec<_> = self.waiting(kind).map(voided).collect();
                let amount = self.money(of.amount_minor);
                let done = match kind {
                    Authorize => PaymentEvent::PaymentAuthorized { order, operation, amount, reference },
                    Capture => PaymentEvent::PaymentCaptured { order, operation, amount, reference },
                    Void => PaymentEvent::PaymentVoided { order, operation, amount, reference },
                    Refund => PaymentEvent::PaymentRefunded { order, operation, amount, reference },
                };
                [done].into_iter().chain(then).collect()
            }
        })
    }

    /// The void that waits for what comes of an operation of this kind: only an authorization is waited for.
    fn waiting(&self, kind: OperationKind) -> impl Iterator<Item = OperationId> {
        let deferred = |(id, one): (&OperationId, &Operation)| (one.state == OperationState::Deferred).then_some(*id);
        self.operations.iter().filter(move |_| kind == Authorize).filter_map(deferred)
    }

    /// Whether it was asked for before; it acts once.
    fn is_known(
        &self,
        operation: OperationId,
        kind: OperationKind,
        wanted: Option<Money>,
    ) -> Result<bool, PaymentError> {
        let Some(held) = self.operations.get(&operation) else { return Ok(false) };
        let same = held.kind == kind && wanted.is_none_or(|wanted| wanted == self.money(held.amount_minor));
        if same { Ok(true) } else { Err(PaymentError::OperationExists) }
    }

    fn check_currency(&self, wanted: Option<Money>) -> Result<(), PaymentError> {
        let currency = self.amount.currency;
        let differs = wanted.is_some_and(|wanted| wanted.currency != currency);
        if differs { Err(PaymentError::OtherCurrency { currency }) } else { Ok(()) }
    }

    fn check_count(&self, kind: OperationKind) -> Result<(), PaymentError> {
        if self.of(kind).count() < OPERATIONS_MAX { Ok(()) } else { Err(PaymentError::TooManyOperations) }
    }

    /// Whether the authorization failed.
    fn is_refused(&self) -> bool {
        self.operations.get(&self.authorization).is_some_and(|one| one.state == OperationState::Failed)
    }

    /// The amount that is wanted, or all that is left; `None` if that much is not left.
    fn part(&self, wanted: Option<Money>, left_minor: i64) -> Option<Money> {
        let amount = wanted.unwrap_or_else(|| self.money(left_minor));
        (1..=left_minor).contains(&amount.amount_minor).then_some(amount)
    }

    fn money(&self, amount_minor: i64) -> Money {
        Money { amount_minor, currency: self.amount.currency }
    }

    /// What every request after the authorization tells the provider: what is paid, by what, and what it called the
    /// authorization.
    fn told(&self) -> (OrderId, String, Option<String>) {
        let held = self.operations.get(&self.authorization);
        let authorization = held.and_then(|one| one.reference().cloned());
        (self.order, self.method.clone(), authorization)
    }

    fn void_requested(&self, operation: OperationId, authorization: Option<String>) -> PaymentEvent {
        let (order, amount, method) = (self.order, self.amount, self.method.clone());
        PaymentEvent::PaymentVoidRequested { order, operation, amount, method, authorization }
    }

    pub(super) fn request(&mut self, operation: OperationId, kind: OperationKind, amount: Money) {
        let requested = Operation { kind, amount_minor: amount.amount_minor, state: OperationState::Requested };
        self.operations.insert(operation, requested);
    }

    pub(super) fn set(&mut self, operation: OperationId, state: OperationState) {
        if let Some(held) = self.operations.get_mut(&operation) {
            held.state = state;
        }
    }
}
