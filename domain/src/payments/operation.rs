//! One operation of a payment: requested, then pending or unknown for a while, and at last succeeded or failed.

use event_schemas::payments::OperationKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Outcome, PaymentError};

/// Something that the provider was asked to do, or will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    /// What it does.
    pub kind: OperationKind,
    /// With how much, in minor units.
    pub amount_minor: i64,
    /// How far it has come.
    pub state: OperationState,
}

/// How far an operation has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OperationState {
    /// A void that waits for what comes of the authorization.
    Deferred,
    /// A void that waited, and there was nothing to void.
    Dropped,
    /// The provider is to be asked, or has been without an answer that is known here.
    Requested,
    /// The provider works on it, or waits for the payer.
    Pending {
        /// What it waits for.
        reason: String,
        /// Where the payer goes on.
        action_url: Option<String>,
    },
    /// The provider was asked and did not answer.
    Unknown,
    /// It did not happen and will not.
    Failed,
    /// It happened.
    Succeeded {
        /// What the provider calls it.
        reference: Option<String>,
    },
}

impl Operation {
    /// Whether it happened.
    #[must_use]
    pub fn has_succeeded(&self) -> bool {
        matches!(self.state, OperationState::Succeeded { .. })
    }

    /// What the provider calls it, if it happened and the provider said.
    #[must_use]
    pub fn reference(&self) -> Option<&String> {
        if let OperationState::Succeeded { reference } = &self.state { reference.as_ref() } else { None }
    }

    /// Whether it may still happen or has happened: what it is about cannot be promised to another one.
    #[must_use]
    pub fn counts(&self) -> bool {
        match self.state {
            OperationState::Failed | OperationState::Dropped => false,
            OperationState::Deferred
            | OperationState::Requested
            | OperationState::Pending { .. }
            | OperationState::Unknown
            | OperationState::Succeeded { .. } => true,
        }
    }

    /// Whether what the provider said brings it further. A final outcome stays, whatever is said later.
    ///
    /// # Errors
    /// If the provider was never asked, or said something else before that was final.
    pub(super) fn learns_from(&self, outcome: &Outcome) -> Result<bool, PaymentError> {
        use OperationState::{Deferred, Dropped, Failed, Pending, Requested, Succeeded, Unknown};
        match (&self.state, outcome) {
            (Deferred | Dropped, _) => Err(PaymentError::OperationNotFound),
            (Succeeded { reference: Some(one) }, Outcome::Succeeded { reference: Some(other) }) if one != other => {
                Err(PaymentError::OutcomeContradicts)
            }
            (Succeeded { .. }, Outcome::Failed { .. }) | (Failed, Outcome::Succeeded { .. }) => {
                Err(PaymentError::OutcomeContradicts)
            }
            (Pending { reason, action_url }, Outcome::Pending { reason: again, action_url: url }) => {
                Ok(reason != again || action_url != url)
            }
            // What came late or twice tells nothing new.
            (Succeeded { .. }, Outcome::Succeeded { .. })
            | (Failed, Outcome::Failed { .. })
            | (Succeeded { .. } | Failed, Outcome::Pending { .. } | Outcome::Unknown { .. })
            | (Unknown, Outcome::Unknown { .. }) => Ok(false),
            (
                Requested | Pending { .. } | Unknown,
                Outcome::Pending { .. } | Outcome::Unknown { .. } | Outcome::Succeeded { .. } | Outcome::Failed { .. },
            ) => Ok(true),
        }
    }
}
