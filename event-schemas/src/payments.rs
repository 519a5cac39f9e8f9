//! What can happen to a payment. Names and fields here are stored and published for ever: add, never change.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Money;
use crate::ids::{AccountId, OperationId, OrderId, PaymentId};
use crate::upcast::Upcast;
use crate::versions::versions;

/// What an operation does with money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// The payer's bank promises the amount.
    Authorize,
    /// Promised money is taken.
    Capture,
    /// The promise is given back.
    Void,
    /// Taken money is given back.
    Refund,
}

impl OperationKind {
    /// Its name, as it is written everywhere.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund => "refund",
        }
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What can happen to a payment.
///
/// Requests hold all that the provider must be told, and every event names the order, so that whoever reacts to one of
/// them needs no other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum PaymentEvent {
    /// The payer's bank is to promise an amount. A payment begins with this.
    PaymentAuthorizationRequested {
        /// Which payment.
        payment: PaymentId,
        /// What is paid.
        order: OrderId,
        /// Who pays.
        payer: AccountId,
        /// How much.
        amount: Money,
        /// By what: the provider's token, never a number of a card.
        method: String,
        /// Which operation; the provider is asked under this key.
        operation: OperationId,
    },
    /// Promised money is to be taken.
    PaymentCaptureRequested {
        /// What is paid.
        order: OrderId,
        /// Which operation.
        operation: OperationId,
        /// How much.
        amount: Money,
        /// By what it is paid.
        method: String,
        /// What the provider calls the authorization, if it said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        authorization: Option<String>,
    },
    /// The promise is to be given back.
    PaymentVoidRequested {
        /// What is not paid.
        order: OrderId,
        /// Which operation.
        operation: OperationId,
        /// How much was promised.
        amount: Money,
        /// By what it would have been paid.
        method: String,
        /// What the provider calls the authorization, if it said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        authorization: Option<String>,
    },
    /// Taken money is to be given back.
    PaymentRefundRequested {
        /// What was paid.
        order: OrderId,
        /// Which operation.
        operation: OperationId,
        /// How much.
        amount: Money,
        /// By what it was paid.
        method: String,
        /// What the provider calls the authorization, if it said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        authorization: Option<String>,
    },
    /// A void waits until it is known whether there is anything to void: the authorization is still under way.
    PaymentVoidDeferred {
        /// What is not paid.
        order: OrderId,
        /// Which operation the void will be.
        operation: OperationId,
        /// How much may be promised until then.
        amount: Money,
    },
    /// A void that waited is over: the authorization failed, so nothing was promised.
    PaymentVoidDropped {
        /// What is not paid.
        order: OrderId,
        /// Which operation the void would have been.
        operation: OperationId,
    },
    /// The provider works on an operation, or waits for the payer.
    PaymentOperationPending {
        /// What is paid.
        order: OrderId,
        /// Which operation.
        operation: OperationId,
        /// What it does.
        kind: OperationKind,
        /// What it waits for, such as `processing` or `action_required`.
        reason: String,
        /// Where the payer goes on, if something is required of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        action_url: Option<String>,
    },
    /// The provider was asked and did not answer: the operation may have happened or not.
    PaymentOperationUnknown {
        /// What is paid.
        order: OrderId,
        /// Which operation.
        operation: OperationId,
        /// What it does.
        kind: OperationKind,
        /// What came instead of an answer.
        reason: String,
    },
    /// An operation did not happen and will not.
    PaymentOperationFailed {
        /// What is not paid.
        order: OrderId,
        /// Which operation.
        operation: OperationId,
        /// What it would have done.
        kind: OperationKind,
        /// Why, for programs: `card_declined`.
        code: String,
        /// Why, for people.
        reason: String,
    },
    /// The payer's bank promised the amount.
    PaymentAuthorized {
        /// What is paid.
        order: OrderId,
        /// Which operation.
        operation: OperationId,
        /// How much.
        amount: Money,
        /// What the provider calls it, if it said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
    },
    /// Promised money was taken.
    PaymentCaptured {
        /// What is paid.
        order: OrderId,
        /// Which operation.
        operation: OperationId,
        /// How much.
        amount: Money,
        /// What the provider calls it, if it said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
    },
    /// The promise was given back.
    PaymentVoided {
        /// What is not paid.
        order: OrderId,
        /// Which operation.
        operation: OperationId,
        /// How much was promised.
        amount: Money,
        /// What the provider calls it, if it said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
    },
    /// Taken money was given back.
    PaymentRefunded {
        /// What was paid.
        order: OrderId,
        /// Which operation.
        operation: OperationId,
        /// How much.
        amount: Money,
        /// What the provider calls it, if it said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
    },
}

versions!(PaymentEvent {
    PaymentAuthorizationRequested: 1,
    PaymentCaptureRequested: 1,
    PaymentVoidRequested: 1,
    PaymentRefundRequested: 1,
    PaymentVoidDeferred: 1,
    PaymentVoidDropped: 1,
    PaymentOperationPending: 1,
    PaymentOperationUnknown: 1,
    PaymentOperationFailed: 1,
    PaymentAuthorized: 1,
    PaymentCaptured: 1,
    PaymentVoided: 1,
    PaymentRefunded: 1,
});

pub(crate) const UPCASTS: &[Upcast] = &[];
