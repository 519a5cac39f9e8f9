//! `read.accounts`: one row for each account, with its personal fields opened for as long as they can be.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use envelope::{Recorded, Sealed};
use event_schemas::identity::{AccountEvent, field};
use event_schemas::{Context, Event};
use uuid::Uuid;

use crate::projection::{Failed, Projection, View};
use crate::table::Table;

/// Every account by its id. What was erased is null and flagged.
pub struct Accounts;

/// What a batch says about one account.
struct Change<'e> {
    registered: Option<Registered<'e>>,
    name: &'e Sealed<String>,
    version: i64,
    changed_at: DateTime<Utc>,
}

/// What only registration says.
struct Registered<'e> {
    email: &'e Sealed<String>,
    reference: Option<&'e str>,
    at: DateTime<Utc>,
}

impl Projection for Accounts {
    type Data = Event;
    const NAME: &'static str = "accounts";
    const VERSION: i32 = 1;
    const CONTEXTS: &'static [Context] = &[Context::Identity];
    const TABLES: &'static [Table] = &[Table {
        suffix: "",
        columns: "account uuid, name text, name_erased boolean not null, email text, email_erased boolean not null,
                  reference text, version bigint not null,
                  registered_at timestamptz not null, changed_at timestamptz not null",
        key: &["account"],
        indexes: &["(reference, account)"],
    }];

    async fn apply(view: &mut View<'_>, batch: &[Recorded<Event>]) -> Result<(), Failed> {
        let mut changes: BTreeMap<Uuid, Change<'_>> = BTreeMap::new();
        for event in batch {
            let Event::Identity(happened) = &event.data else { continue };
            let (version, mut changed_at) = (event.sequence, event.recorded_at.utc());
            if platform::faults::planted("projection-not-deterministic") {
                changed_at = platform::clock::now().utc();
            }
            match happened {
                AccountEvent::AccountRegistered { account, name, email, reference } => {
                    let registered = Registered { email, reference: reference.as_deref(), at: changed_at };
                    let change = Change { registered: Some(registered), name, version, changed_at };
                    changes.insert(account.0, change);
                }
                AccountEvent::AccountRenamed { name } => {
                    let account = event.aggregate_id.parse().map_err(Failed::event)?;
                    let renamed = Change { registered: None, name, version, changed_at };
                    let change = changes.entry(account).or_insert(renamed);
                    (change.name, change.version, change.changed_at) = (name, version, changed_at);
                }
            }
        }
        let (new, renamed): (Vec<_>, Vec<_>) = changes.into_iter().partition(|(_, change)| change.registered.is_some());
        insert(view, &new).await?;
        rename(view, &renamed).await
    }
}

async fn insert(view: &mut View<'_>, changes: &[(Uuid, Change<'_>)]) -> Result<(), Failed> {
    let registered: Vec<_> = changes.iter().filter_map(|(_, change)| change.registered.as_ref()).collect();
    if registered.is_empty() {
        return Ok(());
    }
    let names = view.open(field::NAME, &changes.iter().map(|(_, change)| change.name).collect::<Vec<_>>()).await?;
    let emails = view.open(field::EMAIL, &registered.iter().map(|new| new.email).collect::<Vec<_>>()).await?;
    let sql = format!(
        "insert into {} (account, name, name_erased, email, email_erased, reference, version, registered_at, changed_at)
         select account, name, name is null, email, email is null, reference, version, registered_at, changed_at
           from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[],
                       $6::timestamptz[], $7::timestamptz[])
                as new(account, name, email, reference, version, registered_at, changed_at)",
        view.table()
    );
    sqlx::query(&sql)
        .bind(changes.iter().map(|(account, _)| *account).collect::<Vec<_>>())
        .bind(names)
        .bind(emails)
        .bind(registered.iter().map(|new| new.reference).collect::<Vec<_>>())
        .bind(changes.iter().map(|(_, change)| change.version).collect::<Vec<_>>())
        .bind(registered.iter().map(|new| new.at).collect::<Vec<_>>())
        .bind(changes.iter().map(|(_, change)| change.changed_at).collect::<Vec<_>>())
        .execute(&mut *view.db)
        .await?;
    Ok(())
}

/// Changes no row where the registration was skipped by hand: there is nothing to rename then.
async fn rename(view: &mut View<'_>, changes: &[(Uuid, Change<'_>)]) -> Result<(), Failed> {
    if changes.is_empty() {
        return Ok(());
    }
    let names = view.open(field::NAME, &changes.iter().map(|(_, change)| change.name).collect::<Vec<_>>()).await?;
    let sql = format!(
        "update {} as t
            set name = new.name, name_erased = new.name is null, version = new.version, changed_at = new.changed_at
           from unnest($1::uuid[], $2::text[], $3::bigint[], $4::timestamptz[])
                as new(account, name, version, changed_at)
          where t.account = new.account",
        view.table()
    );
    sqlx::query(&sql)
        .bind(changes.iter().map(|(account, _)| *account).collect::<Vec<_>>())
        .bind(names)
        .bind(changes.iter().map(|(_, change)| change.version).collect::<Vec<_>>())
        .bind(changes.iter().map(|(_, change)| change.changed_at).collect::<Vec<_>>())
        .execute(&mut *view.db)
        .await?;
    Ok(())
}
