//! How money is moved: what a payment provider is asked, and what it answers.
//!
//! A payment's events ask ([`Request::of`]), a [`PaymentProvider`] is asked, and [`Effect`] says from what came of it
//! what is recorded and what is done next. The shell that drives it keeps a ledger with one row per operation:
//!
//! 1. An event that is a request makes a row with [`Effect::new`], in the transaction of the reader's checkpoint.
//! 2. [`Effect::next`] says what is due. Before [`PaymentProvider::perform`] is called, the row is committed as
//!    [`Effect::begun`] has it: after a crash, nobody then takes a request that may have arrived for one never sent.
//! 3. What came of it goes to [`Effect::performed`] or [`Effect::looked_up`]. In one transaction the row is stored as
//!    [`Step::effect`] has it, with the time of [`Step::next`], and [`Step::record`] becomes a command
//!    `PaymentCommand::Record` that waits to be sent.
//! 4. When [`Step::next`] is [`Next::Done`] the row rests: nothing is asked of the provider any more.

pub mod http;
mod simulator;
mod step;
#[cfg(test)]
mod tests;
mod wording;

use async_trait::async_trait;
use envelope::Recorded;
use event_schemas::ids::{OperationId, PaymentId};
use event_schemas::payments::{OperationKind, PaymentEvent};
use event_schemas::{Event, Money};
use serde::{Deserialize, Serialize};

pub use simulator::{Confirmation, Simulator, SimulatorFailed, SimulatorSettings};
pub use step::{ATTEMPTS_MAX, DELAY_MS_MAX, Effect, Next, Pace, Step};

/// Who moves money.
///
/// It must keep what it was asked under each operation: asking again with the same one moves no money again and is
/// answered with what came of the first.
#[async_trait]
pub trait PaymentProvider: Send + Sync + 'static {
    /// Has an operation done. The same operation may be asked for any number of times.
    ///
    /// # Errors
    /// [`NoAnswer`] if none came; whether anything was done is then said by [`PaymentProvider::look_up`].
    async fn perform(&self, request: &Request) -> Result<Answer, NoAnswer>;

    /// What came of an operation; `None` if the provider never heard of it.
    ///
    /// # Errors
    /// [`NoAnswer`] if none came, which says nothing about the operation.
    async fn look_up(&self, operation: OperationId) -> Result<Option<Answer>, NoAnswer>;
}

/// What a provider is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Under which key: an operation is done once, however often it is asked for.
    pub operation: OperationId,
    /// What is to be done.
    pub kind: OperationKind,
    /// Of which payment.
    pub payment: PaymentId,
    /// With how much.
    pub amount: Money,
    /// By what is paid: the provider's token.
    pub method: String,
    /// What the provider called the authorization; none if this is one, or if it gave no name.
    pub authorization: Option<String>,
}

/// What a provider said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is done.
    Succeeded {
        /// What the provider calls it.
        reference: Option<String>,
    },
    /// It is not done and will not be.
    Failed {
        /// Why, for programs.
        code: String,
        /// Why, for people.
        reason: String,
    },
    /// It is worked on, or the payer has to do something.
    Pending {
        /// What is waited for: `processing`, `action_required`.
        reason: String,
        /// Where the payer goes on.
        action_url: Option<String>,
    },
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The request was sent and nothing came back: it may have been carried out or not.
    #[error("the provider did not answer in time")]
    TimedOut,
    /// The request was surely not taken: there was no connection, or the provider said that it is closed.
    #[error("the provider cannot be reached")]
    Unavailable,
}

impl Request {
    /// What follows from an event; nothing, unless it asks for an operation.
    #[must_use]
    pub fn of(event: &Recorded<Event>) -> Option<Self> {
        use OperationKind::{Authorize, Capture, Refund, Void};
        let Event::Payments(what) = &event.data else { return None };
        let (kind, operation, amount, method, authorization) = match what {
            PaymentEvent::PaymentAuthorizationRequested { operation, amount, method, .. } => {
                (Authorize, operation, amount, method, &None)
            }
            PaymentEvent::PaymentCaptureRequested { operation, amount, method, authorization, .. } => {
                (Capture, operation, amount, method, authorization)
            }
            PaymentEvent::PaymentVoidRequested { operation, amount, method, authorization, .. } => {
                (Void, operation, amount, method, authorization)
            }
            PaymentEvent::PaymentRefundRequested { operation, amount, method, authorization, .. } => {
                (Refund, operation, amount, method, authorization)
            }
            PaymentEvent::PaymentVoidDeferred { .. }
            | PaymentEvent::PaymentVoidDropped { .. }
            | PaymentEvent::PaymentOperationPending { .. }
            | PaymentEvent::PaymentOperationUnknown { .. }
            | PaymentEvent::PaymentOperationFailed { .. }
            | PaymentEvent::PaymentAuthorized { .. }
            | PaymentEvent::PaymentCaptured { .. }
            | PaymentEvent::PaymentVoided { .. }
            | PaymentEvent::PaymentRefunded { .. } => return None,
        };
        Some(Self {
            operation: *operation,
            kind,
            payment: event.aggregate_id.parse().ok()?,
            amount: *amount,
            method: method.clone(),
            authorization: authorization.clone(),
        })
    }
}
