//! The built-in inbox: where mail lies that is handed to nobody, so that whoever tries the system out can read it.
//!
//! Each mail is sealed with the key of the account that it is for, so it goes when the holder is erased. It keeps the
//! newest [`MAILS_MAX`].

use chrono::{DateTime, Utc};
use envelope::Sealed;
use event_store::keys::{KeyRing, KeysError};
use platform::token::TokenKey;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

use super::step::{Came, Nobody};
use super::{Mail, later, smtp};

/// How many mails the inbox keeps: of more, the oldest go.
pub const MAILS_MAX: i64 = 500;
/// Under what a mail is sealed.
const FIELD: &str = "inbox";

/// Reads what lies in the inbox. Cheap to clone.
#[derive(Clone)]
pub struct Inbox {
    /// The database of the schema `react`.
    pub pool: PgPool,
    /// By which mail is opened.
    pub keys: KeyRing,
    /// By which cursors are ours.
    pub tokens: TokenKey,
    /// Whether mail comes here, and not to a server.
    pub in_use: bool,
}

/// Why the inbox cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    #[error("the database of the inbox: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the keys of personal data: {0}")]
    Keys(#[from] KeysError),
}

/// What is sealed of a mail: all that somebody would read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) from: String,
    pub(super) to: String,
    /// The address alone, by which mail is looked for.
    pub(super) address: String,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
    pub(super) message_id: String,
}

/// A mail in the inbox, opened.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) id: Uuid,
    pub(super) number: i64,
    pub(super) kind: String,
    pub(super) about: Uuid,
    pub(super) received_at: DateTime<Utc>,
    pub(super) content: Content,
}

/// What is laid into the inbox.
pub(super) struct Laid<'m> {
    pub(super) kind: &'static str,
    pub(super) about: Uuid,
    pub(super) mail: &'m Mail,
}

/// Lays a mail into the inbox, once.
pub(super) async fn lay(pool: &PgPool, keys: &KeyRing, subject: &str, laid: Laid<'_>) -> Came {
    let Mail { id, from, to, written, .. } = laid.mail;
    let written = written.clone();
    let content = Content {
        from: from.to_string(),
        to: to.to_string(),
        address: to.email.to_string(),
        subject: written.subject,
        text: written.text,
        html: written.html,
        message_id: smtp::message_id(laid.mail),
    };
    let sealed = match keys.sealed(subject, |seal| seal.seal(FIELD, &content)).await {
        Ok(Sealed::Erased { .. }) => return Came::Nobody(Nobody::Erased),
        Ok(sealed) => sealed,
        Err(error) => return later("the keys of personal data")(error),
    };
    match put(pool, *id, &laid, &sealed).await {
        Ok(()) => Came::Accepted,
        Err(error) => later("the database of the inbox")(error),
    }
}

async fn put(pool: &PgPool, id: Uuid, laid: &Laid<'_>, sealed: &Sealed<Content>) -> sqlx::Result<()> {
    let sql = "insert into react.inbox (id, kind, about, mail) values ($1, $2, $3, $4::json) on conflict do nothing";
    let sealed = crate::dispatches::json(sealed)?;
    sqlx::query(sql).bind(id).bind(laid.kind).bind(laid.about).bind(sealed).execute(pool).await?;
    let sql = "delete from react.inbox
                where number <= (select number from react.inbox order by number desc offset $1 limit 1)";
    sqlx::query(sql).bind(MAILS_MAX).execute(pool).await.map(|_| ())
}

impl Inbox {
    /// The newest mails before a number, to an address or to anybody, at most so many.
    pub(super) async fn list(&self, to: Option<&str>, before: Option<i64>, max: i64) -> Result<Vec<Opened>, Unread> {
        let sql = "select id, number, kind, about, received_at, mail::text from react.inbox
                    where number < coalesce($1, 9223372036854775807) order by number desc limit $2";
        let rows: Vec<Row> = sqlx::query_as(sql).bind(before).bind(MAILS_MAX).fetch_all(&self.pool).await?;
        let mut mails = self.open(rows).await?;
        mails.retain(|mail| to.is_none_or(|to| mail.content.address.eq_ignore_ascii_case(to)));
        mails.truncate(usize::try_from(max).unwrap_or(usize::MAX));
        Ok(mails)
    }

    /// One mail, unless it was never here, made room, or its holder was erased.
    pub(super) async fn get(&self, id: Uuid) -> Result<Option<Opened>, Unread> {
        let sql = "select id, number, kind, about, received_at, mail::text from react.inbox where id = $1";
        let rows: Vec<Row> = sqlx::query_as(sql).bind(id).fetch_all(&self.pool).await?;
        Ok(self.open(rows).await?.pop())
    }

    /// What cannot be opened any more is not there any more.
    async fn open(&self, rows: Vec<Row>) -> Result<Vec<Opened>, Unread> {
        let wrong = |error: serde_json::Error| sqlx::Error::Decode(Box::new(error));
        let mut sealed = Vec::new();
        for (id, number, kind, about, received_at, mail) in rows {
            let mail: Sealed<Content> = serde_json::from_str(&mail).map_err(wrong)?;
            sealed.push((id, number, kind, about, received_at, mail));
        }
        let mut ids: Vec<_> = sealed.iter().filter_map(|(.., mail)| mail.key()).collect();
        ids.sort_unstable();
        ids.dedup();
        let keys = self.keys.open_many(&ids).await?;
        let opened = sealed.into_iter().filter_map(|(id, number, kind, about, received_at, mail)| {
            let content = keys.get(&mail.key()?)?.open(FIELD, &mail).ok()?;
            Some(Opened { id, number, kind, about, received_at, content })
        });
        Ok(opened.collect())
    }
}

type Row = (Uuid, i64, String, Uuid, DateTime<Utc>, String);
