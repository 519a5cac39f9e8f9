//! What can happen to an account. Names and fields here are stored and published for ever: add, never change.

use envelope::Sealed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::AccountId;
use crate::upcast::Upcast;
use crate::versions::versions;

/// The fields of an account under which its personal data is sealed.
pub mod field {
    /// What the holder is called.
    pub const NAME: &str = "name";
    /// Where the holder gets mail.
    pub const EMAIL: &str = "email";
}

/// What can happen to an account. Personal data is sealed with the key of the account's holder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum AccountEvent {
    /// Somebody has an account from now on.
    AccountRegistered {
        /// Which account; also the subject whose key seals the rest.
        account: AccountId,
        /// What the holder is called.
        name: Sealed<String>,
        /// Where the holder gets mail.
        email: Sealed<String>,
        /// The operator's own number for this customer, which says nothing about the person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
    },
    /// The holder is called otherwise from now on.
    AccountRenamed {
        /// What the holder is called.
        name: Sealed<String>,
    },
}

versions!(AccountEvent { AccountRegistered: 1, AccountRenamed: 1 });

pub(crate) const UPCASTS: &[Upcast] = &[];
