//! An account is registered once; its holder may be renamed.

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use envelope::Sealed;
use event_schemas::identity::AccountEvent;
use event_schemas::ids::AccountId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AccountCommand, AccountError, REFERENCE_CHARS_MAX};
use crate::Folded;

/// Holds only what `decide` asks about. Names and addresses stay sealed: equal ones can be told without opening them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[expect(clippy::large_enum_variant, reason = "nearly every account that is held is registered")]
pub enum Account {
    /// Nothing happened under this id.
    #[default]
    Absent,
    /// Somebody has this account.
    Registered {
        /// As it was registered, by which a repeated request is known, also after a renaming.
        first: Registration,
        /// What the holder is called now.
        name: Sealed<String>,
    },
}

/// What an account was registered with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Registration {
    /// Which account.
    pub account: AccountId,
    /// What the holder was called.
    pub name: Sealed<String>,
    /// Where the holder got mail.
    pub email: Sealed<String>,
    /// The operator's own number for this customer.
    pub reference: Option<String>,
}

impl Account {
    /// Every rule is a row: a state, a command, and what follows from them.
    ///
    /// # Errors
    /// The reason why nothing follows.
    pub fn decide(&self, command: AccountCommand) -> Result<Vec<AccountEvent>, AccountError> {
        use Account::{Absent, Registered};
        use AccountCommand::{Keep, Register, Rename};
        match (self, command) {
            (_, Register { name: Sealed::Erased { .. }, .. } | Register { email: Sealed::Erased { .. }, .. })
            | (_, Rename { name: Sealed::Erased { .. } }) => Err(AccountError::Erased),
            (_, Register { reference: Some(reference), .. }) if !is_reference(&reference) => {
                Err(AccountError::BadReference)
            }
            (Absent, Register { account, name, email, reference }) => {
                Ok(vec![AccountEvent::AccountRegistered { account, name, email, reference }])
            }
            (Registered { first, .. }, Register { account, name, email, reference }) => {
                if *first == (Registration { account, name, email, reference }) {
                    Ok(vec![])
                } else {
                    Err(AccountError::AlreadyRegistered)
                }
            }
            (Absent, Rename { .. } | Keep) => Err(AccountError::NotFound),
            (Registered { name: current, .. }, Rename { name }) if *current == name => Ok(vec![]),
            (Registered { .. }, Rename { name }) => Ok(vec![AccountEvent::AccountRenamed { name }]),
            (Registered { .. }, Keep) => Ok(vec![]),
        }
    }

    /// What happened is never refused: no rule, no error, no clock.
    pub fn evolve(&mut self, event: AccountEvent) {
        *self = match (std::mem::take(self), event) {
            (_, AccountEvent::AccountRegistered { account, name, email, reference }) => {
                let first = Registration { account, name: name.clone(), email, reference };
                Self::Registered { first, name }
            }
            (Self::Registered { first, .. }, AccountEvent::AccountRenamed { name }) => Self::Registered { first, name },
            (Self::Absent, AccountEvent::AccountRenamed { .. }) => Self::Absent,
        };
    }
}

/// Whether a number that the operator has for a customer may stand in an event.
#[must_use]
pub fn is_reference(text: &str) -> bool {
    (1..=REFERENCE_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

impl Folded for Account {
    const FOLD: u32 = 1;
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Error = AccountError;
    type Services = ();

    async fn handle(&mut self, ask: AccountCommand, _: &(), sink: &EventSink<Self>) -> Result<(), AccountError> {
        for event in self.decide(ask)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: AccountEvent) {
        self.evolve(event);
    }
}
