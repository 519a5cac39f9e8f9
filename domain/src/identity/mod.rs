//! Who people are: what can be asked of an account, and how it says no.

mod aggregate;
#[cfg(test)]
mod tests;

use envelope::Sealed;
use event_schemas::ids::AccountId;

pub use aggregate::{Account, Registration, is_reference};

use crate::{Kind, Refusal};

/// How long the operator's own number for a customer may be.
pub const REFERENCE_CHARS_MAX: usize = 64;

/// What can be asked of an account.
#[derive(Clone, Debug, PartialEq)]
pub enum AccountCommand {
    /// Open the account.
    Register {
        /// Which account; also the subject whose key seals the rest.
        account: AccountId,
        /// What the holder is called.
        name: Sealed<String>,
        /// Where the holder gets mail.
        email: Sealed<String>,
        /// The operator's own number for this customer.
        reference: Option<String>,
    },
    /// Call the holder otherwise.
    Rename {
        /// What the holder is called.
        name: Sealed<String>,
    },
    /// Leave everything as it is: whoever asks learns whether the account is there, and in which version.
    Keep,
}

/// Why an account refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// Nothing was registered under this id.
    #[error("there is no such account")]
    NotFound,
    /// It was registered before, as somebody else.
    #[error("this account was registered before with another name, e-mail address or reference")]
    AlreadyRegistered,
    /// The holder was erased; nothing personal can be kept for them any more.
    #[error("the holder of this account was erased; register under a new id")]
    Erased,
    /// The operator's number is empty, too long, or holds control characters.
    #[error("a reference has 1 to {REFERENCE_CHARS_MAX} characters, none of them a control character")]
    BadReference,
}

impl Refusal for AccountError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound => Kind::Missing,
            Self::AlreadyRegistered | Self::Erased => Kind::Conflict,
            Self::BadReference => Kind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "account-not-found",
            Self::AlreadyRegistered => "account-exists",
            Self::Erased => "account-erased",
            Self::BadReference => "account-reference-invalid",
        }
    }
}
