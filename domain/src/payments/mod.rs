//! How an order is paid: what can be asked of a payment, and how it says no.

mod aggregate;
mod opened;
mod operation;
#[cfg(test)]
mod tests;

use event_schemas::ids::{AccountId, OperationId, OrderId, PaymentId};
use event_schemas::{Currency, Money};
use serde::{Deserialize, Serialize};

pub use crate::text::{CODE_CHARS_MAX, REASON_CHARS_MAX, TOKEN_CHARS_MAX, URL_CHARS_MAX};
pub use aggregate::Payment;
pub use opened::Opened;
pub use operation::{Operation, OperationState};

use crate::text::{is_code, is_reason, is_token, is_web_address};
use crate::{Kind, Refusal};

/// How much one payment may be of, in minor units.
pub const AMOUNT_MINOR_MAX: i64 = 100_000_000_000;
/// How many captures a payment may have, how many voids, and how many refunds, failed ones too.
pub const OPERATIONS_MAX: usize = 100;

/// What can be asked of a payment.
///
/// It can be stored and read again, so that who reacts to an event may write down what is to be sent before it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentCommand {
    /// Have the payer's bank promise an amount. A payment begins with this, and has one authorization.
    Authorize {
        /// Which payment.
        payment: PaymentId,
        /// What is paid.
        order: OrderId,
        /// Who pays.
        payer: AccountId,
        /// How much.
        amount: Money,
        /// By what: the provider's token.
        method: String,
        /// Which operation.
        operation: OperationId,
    },
    /// Take promised money.
    Capture {
        /// Which operation.
        operation: OperationId,
        /// How much; all that is left if it is not said.
        amount: Option<Money>,
    },
    /// Give the promise back. While the authorization is under way, this waits for what comes of it.
    Void {
        /// Which operation.
        operation: OperationId,
    },
    /// Give taken money back.
    Refund {
        /// Which operation.
        operation: OperationId,
        /// How much; all that is left if it is not said.
        amount: Option<Money>,
    },
    /// Write down what the provider said, or that it said nothing.
    Record {
        /// Of which operation.
        operation: OperationId,
        /// What came of it.
        outcome: Outcome,
    },
}

/// What came of asking the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It works on it, or waits for the payer.
    Pending {
        /// What it waits for, such as `processing` or `action_required`: a code.
        reason: String,
        /// Where the payer goes on, if something is required of them.
        action_url: Option<String>,
    },
    /// It is done.
    Succeeded {
        /// What the provider calls it, if it said.
        reference: Option<String>,
    },
    /// It is not done and will not be.
    Failed {
        /// Why, for programs: `card_declined`.
        code: String,
        /// Why, for people.
        reason: String,
    },
    /// No answer came, so it may be done or not.
    Unknown {
        /// What came instead.
        reason: String,
    },
}

impl Outcome {
    /// Whether its words have the forms that are stored.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        match self {
            Self::Pending { reason, action_url } => is_code(reason) && action_url.as_deref().is_none_or(is_web_address),
            Self::Succeeded { reference } => reference.as_deref().is_none_or(is_token),
            Self::Failed { code, reason } => is_code(code) && is_reason(reason),
            Self::Unknown { reason } => is_reason(reason),
        }
    }
}

/// Why a payment refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// Nothing was ever asked of it.
    #[error("there is no such payment; look whether the id is right")]
    NotFound,
    /// Nothing, less, or absurdly much.
    #[error("an amount is 1 to {AMOUNT_MINOR_MAX} minor units")]
    BadAmount,
    /// Empty, too long, or with blanks.
    #[error("a method is the provider's token: 1 to {TOKEN_CHARS_MAX} visible ASCII characters without blanks")]
    BadMethod,
    /// What the provider said has words of no form.
    #[error(
        "an outcome has a code of at most {CODE_CHARS_MAX} small letters, digits and underscores, a reason of 1 to \
         {REASON_CHARS_MAX} characters, a reference of 1 to {TOKEN_CHARS_MAX} visible ASCII characters, and an \
         action on the web"
    )]
    BadOutcome,
    /// There is one with this id and other content.
    #[error("a payment with this id and other content was asked for before")]
    AlreadyExists,
    /// A payment has one currency.
    #[error("this payment is in {currency}; an amount of it is too")]
    OtherCurrency {
        /// Which one.
        currency: Currency,
    },
    /// Nothing is promised yet.
    #[error("the authorization of this payment is still under way; wait until it has succeeded")]
    NotAuthorized,
    /// Nothing was promised, and nothing will be.
    #[error("the authorization of this payment failed, which ends it; pay with another one")]
    AuthorizationFailed,
    /// The promise is given back, or will be.
    #[error("this payment was asked to be voided, so nothing of it can be captured; pay with another one")]
    Voided,
    /// More than was promised.
    #[error("only {left_minor} minor units are authorized and neither captured nor being captured; capture less")]
    ExceedsAuthorized {
        /// How much can be captured, in minor units.
        left_minor: i64,
    },
    /// More than was taken.
    #[error("only {left_minor} minor units are captured and neither refunded nor being refunded; refund less")]
    ExceedsCaptured {
        /// How much can be refunded, in minor units.
        left_minor: i64,
    },
    /// What was taken is given back otherwise.
    #[error("money of this payment is captured, or is being captured, so it cannot be voided; refund it")]
    AlreadyCaptured,
    /// Each acts once.
    #[error("an operation with this id and other content was asked for before and acts once; take a new id")]
    OperationExists,
    /// The provider was never asked for it.
    #[error("no such operation of this payment was requested")]
    OperationNotFound,
    /// Too many at once.
    #[error("this payment has {OPERATIONS_MAX} operations of this kind, which is as many as there may be")]
    TooManyOperations,
    /// The provider said something else before, and that was final.
    #[error("another outcome of this operation was recorded before and is final; ask the provider which one holds")]
    OutcomeContradicts,
}

impl Refusal for PaymentError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound | Self::OperationNotFound => Kind::Missing,
            Self::BadAmount | Self::BadMethod | Self::BadOutcome => Kind::Invalid,
            Self::AlreadyExists
            | Self::OtherCurrency { .. }
            | Self::NotAuthorized
            | Self::AuthorizationFailed
            | Self::Voided
            | Self::ExceedsAuthorized { .. }
            | Self::ExceedsCaptured { .. }
            | Self::AlreadyCaptured
            | Self::OperationExists
            | Self::TooManyOperations
            | Self::OutcomeContradicts => Kind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "payment-not-found",
            Self::BadAmount => "payment-amount-out-of-range",
            Self::BadMethod => "payment-method-invalid",
            Self::BadOutcome => "payment-outcome-invalid",
            Self::AlreadyExists => "payment-exists",
            Self::OtherCurrency { .. } => "payment-currency-differs",
            Self::NotAuthorized => "payment-not-authorized",
            Self::AuthorizationFailed => "payment-authorization-failed",
            Self::Voided => "payment-voided",
            Self::ExceedsAuthorized { .. } => "payment-exceeds-authorized",
            Self::ExceedsCaptured { .. } => "payment-exceeds-captured",
            Self::AlreadyCaptured => "payment-captured",
            Self::OperationExists => "payment-operation-exists",
            Self::OperationNotFound => "payment-operation-not-found",
            Self::TooManyOperations => "payment-operations-too-many",
            Self::OutcomeContradicts => "payment-outcome-contradicts",
        }
    }
}
