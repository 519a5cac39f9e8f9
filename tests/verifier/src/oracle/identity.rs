//! What is shown of people, from what happened to their accounts.

use std::collections::BTreeMap;

use envelope::{Recorded, Sealed, Timestamp};
use event_schemas::Event;
use event_schemas::identity::{AccountEvent, field};
use event_store::RawPayload;
use uuid::Uuid;

use super::{Asked, Keys, Oracle, Row, cell, decoded};

/// An account that exists.
struct Account {
    name: Sealed<String>,
    email: Sealed<String>,
    reference: Option<String>,
    version: i64,
    registered_at: Timestamp,
    changed_at: Timestamp,
}

/// Every account, its personal fields opened for as long as their key exists.
#[derive(Default)]
pub(super) struct Accounts(BTreeMap<Uuid, Account>);

impl Oracle for Accounts {
    fn take(&mut self, event: &Recorded<RawPayload>) -> anyhow::Result<()> {
        let Event::Identity(happened) = decoded(event)? else { return Ok(()) };
        let (version, at) = (event.sequence, event.recorded_at);
        match happened {
            AccountEvent::AccountRegistered { account, name, email, reference } => {
                let new = Account { name, email, reference, version, registered_at: at, changed_at: at };
                anyhow::ensure!(self.0.insert(account.0, new).is_none(), "account {account} was registered twice");
            }
            AccountEvent::AccountRenamed { name } => {
                // Where the registration was left out by hand, there is nobody to rename.
                if let Some(account) = self.0.get_mut(&event.aggregate_id.parse()?) {
                    (account.name, account.version, account.changed_at) = (name, version, at);
                }
            }
        }
        Ok(())
    }

    fn keys(&self) -> Vec<Uuid> {
        self.0.values().flat_map(|account| [account.name.key(), account.email.key()]).flatten().collect()
    }

    fn rows(self: Box<Self>, keys: &Keys) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::with_capacity(self.0.len());
        for (id, account) in &self.0 {
            let name = open(keys, field::NAME, &account.name)?;
            let email = open(keys, field::EMAIL, &account.email)?;
            rows.push(Row::new([
                ("account", cell(id)),
                ("name_erased", cell(name.is_none())),
                ("name", name.and_then(cell)),
                ("email_erased", cell(email.is_none())),
                ("email", email.and_then(cell)),
                ("reference", account.reference.as_ref().and_then(cell)),
                ("version", cell(account.version)),
                ("registered_at", cell(account.registered_at)),
                ("changed_at", cell(account.changed_at)),
            ]));
        }
        Ok(rows)
    }
}

/// How accounts are asked for.
pub(super) fn accounts(_: &[&Row]) -> Vec<Asked> {
    let fields = &[
        ("/account", "account"),
        ("/name", "name"),
        ("/email", "email"),
        ("/reference", "reference"),
        ("/version", "version"),
        ("/registered_at", "registered_at"),
        ("/changed_at", "changed_at"),
    ];
    vec![Asked::list("/v1/accounts", fields)]
}

/// What was sealed; nothing once its key is gone.
fn open(keys: &Keys, field: &str, sealed: &Sealed<String>) -> anyhow::Result<Option<String>> {
    match sealed.key().and_then(|id| keys.get(&id)) {
        Some(key) => Ok(Some(key.open(field, sealed)?)),
        None => Ok(None),
    }
}
