//! Mail that follows from events: what it says, who gets it, and how it is handed over.
//!
//! What is due stands in a ledger (`ledger`), what comes next in `step`, which knows no clock and no database. A letter
//! is written when it is handed over and stored nowhere, so that no ledger holds an address. It is handed to the server
//! of `SMTP_URL`, or laid into the built-in inbox where none is named.

mod amounts;
pub mod http;
mod inbox;
pub(crate) mod ledger;
mod letter;
mod parked;
mod smtp;
pub(crate) mod step;
mod templates;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domain::identity::Account;
use domain::orders::Order;
use envelope::Sealed;
use event_schemas::identity::field;
use event_store::Commands;
use event_store::keys::KeyRing;
use lettre::Address;
use platform::settings::Secret;
use serde::de::DeserializeOwned;
use sqlx::PgPool;
use uuid::Uuid;

pub use inbox::{Inbox, MAILS_MAX};
pub(crate) use letter::Letter;
pub use lettre::message::Mailbox;
pub use parked::{MailNotParked, ParkedMail, list as list_parked_mails, retry, retry_all, skip};
pub use smtp::{ANSWER_WAIT_MAX, Smtp};
pub use step::Pace;

use inbox::Laid;
use step::{Came, Nobody};
use templates::Facts;

/// Who mail is from where nobody said so: mail of the built-in inbox leaves this process for nowhere.
pub const FROM_DEFAULT: &str = "Handsel <noreply@handsel.localhost>";

/// Where mail goes.
#[derive(Clone)]
pub enum Post {
    /// To a server.
    Smtp(Smtp),
    /// Into the built-in inbox.
    Inbox,
}

/// Writes mail and hands it over. Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    accounts: Commands<Account>,
    keys: KeyRing,
    post: Post,
    from: Mailbox,
    pace: Pace,
}

/// What is set for mail cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadMailSettings {
    /// It is no URL of a mail server.
    #[error("SMTP_URL cannot be used: {0}; it is smtps://user:password@host or smtp://host:port?tls=required")]
    Url(String),
    /// Nobody can be the sender under that.
    #[error("HANDSEL_MAIL_FROM is no address: {0}; write `Shop <shop@example.org>` or `shop@example.org`")]
    From(lettre::address::AddressError),
    /// A server takes mail of known senders only.
    #[error("SMTP_URL is set, so HANDSEL_MAIL_FROM must say who mail is from, such as `Shop <shop@example.org>`")]
    NoFrom,
}

/// One mail, written and addressed.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    /// The event that it tells of, which also names the mail.
    pub(crate) id: Uuid,
    pub(crate) from: Mailbox,
    pub(crate) to: Mailbox,
    pub(crate) written: templates::Written,
    /// When that happened.
    pub(crate) date: envelope::Timestamp,
}

impl Post {
    /// As it is set: to a server, or into the inbox if none is named. Gives who mail is from, too.
    ///
    /// # Errors
    /// [`BadMailSettings`] says what to set.
    pub fn of(url: Option<&Secret>, from: Option<&str>) -> Result<(Self, Mailbox), BadMailSettings> {
        let said = match (url, from) {
            (Some(_), None) => return Err(BadMailSettings::NoFrom),
            (_, from) => from.unwrap_or(FROM_DEFAULT),
        };
        let from = said.parse().map_err(BadMailSettings::From)?;
        let post = url.map_or(Ok(Self::Inbox), |url| Smtp::connect(url, ANSWER_WAIT_MAX).map(Self::Smtp))?;
        Ok((post, from))
    }
}

impl Mailer {
    /// Mail to the holders of these accounts, whose addresses are opened with these keys.
    #[must_use]
    pub fn new(accounts: Commands<Account>, keys: KeyRing, (post, from): (Post, Mailbox)) -> Self {
        Self { accounts, keys, post, from, pace: Pace::default() }
    }

    /// At another pace than the usual one.
    #[must_use]
    pub fn at_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    /// Writes a letter and hands it over.
    pub(crate) async fn send(&self, orders: &Commands<Order>, pool: &PgPool, id: Uuid, letter: &Letter) -> Came {
        self.try_send(orders, pool, id, letter).await.unwrap_or_else(|came| came)
    }

    async fn try_send(&self, orders: &Commands<Order>, pool: &PgPool, id: Uuid, letter: &Letter) -> Result<Came, Came> {
        let (_, order) = orders.load(&letter.order.to_string()).await.map_err(later("the store of `orders`"))?;
        let Order::Live(order) = order else {
            return Err(Came::Refused("the order is not in its store, or was imported".into()));
        };
        let customer = order.customer.to_string();
        let (_, account) = self.accounts.load(&customer).await.map_err(later("the store of `identity`"))?;
        let Account::Registered { first, name } = account else { return Err(Came::Nobody(Nobody::NoAccount)) };
        let Some(address) = self.open(field::EMAIL, &first.email).await? else {
            return Err(Came::Nobody(Nobody::Erased));
        };
        let address: Address = address.trim().parse().map_err(|_| Came::Nobody(Nobody::BadAddress))?;
        let name = self.open(field::NAME, &name).await?.map(|name| templates::one_line(&name));
        let facts = Facts { letter, order: &order, name: name.as_deref() };
        let written = templates::write(&facts).map_err(|error| Came::Refused(format!("the template: {error}")))?;
        let to = Mailbox::new(name.filter(|name| !name.is_empty()), address);
        let mail = Mail { id, from: self.from.clone(), to, written, date: letter.recorded_at };
        Ok(match &self.post {
            Post::Smtp(smtp) => smtp.hand_over(&mail).await,
            Post::Inbox => {
                let (kind, order) = (letter.about.name(), letter.order);
                inbox::lay(pool, &self.keys, &customer, Laid { kind, about: order.0, mail: &mail }).await
            }
        })
    }

    /// A sealed field of an account; `None` if it was erased.
    async fn open<T: DeserializeOwned>(&self, field: &str, sealed: &Sealed<T>) -> Result<Option<T>, Came> {
        let Some(id) = sealed.key() else { return Ok(None) };
        let keys = self.keys.open_many(&[id]).await.map_err(later("the keys of personal data"))?;
        let opened = keys.get(&id).map(|key| key.open(field, sealed)).transpose();
        opened.map_err(|error| Came::Refused(format!("the account's `{field}`: {error}")))
    }
}

/// Something that is needed is away.
fn later<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> Came {
    move |error| Came::NotNow(format!("{what}: {error}"))
}

/// How long something took or takes, for people.
fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
