//! Keys on their way to another instance, wrapped by a key that both sides know.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use envelope::Timestamp;
use futures::stream::{BoxStream, StreamExt as _};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::{KeyRing, KeysError, MasterKey};

/// One subject's key, or the receipt of its erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    /// Whose key.
    pub subject: String,
    /// Names the key. A subject that was erased before it had a key has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Uuid>,
    /// The key itself, wrapped, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrapped: Option<String>,
    /// When it was destroyed, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<Timestamp>,
}

/// What an import changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Keys that are new here.
    pub keys: u64,
    /// Subjects that are erased here from now on.
    pub erased: u64,
}

type Row = (String, Option<Uuid>, Option<Vec<u8>>, Option<DateTime<Utc>>);

impl KeyRing {
    /// All keys, wrapped anew by the key that the other side knows, and the receipts of all erasures, by subject.
    #[must_use]
    pub fn export_all<'a>(&'a self, transfer: &'a MasterKey) -> BoxStream<'a, Result<WrappedKey, KeysError>> {
        sqlx::query_as("select subject, key_id, wrapped, erased_at from keys.subject_keys order by subject")
            .fetch(&self.0.pool)
            .map(|row| {
                let (subject, key, wrapped, erased_at): Row = row?;
                let wrapped = match key.zip(wrapped) {
                    Some((id, wrapped)) => {
                        let opened = self.0.master.unwrap(id, subject.clone(), &wrapped)?;
                        Some(BASE64.encode(transfer.wrap(&opened)))
                    }
                    None => None,
                };
                Ok(WrappedKey { subject, key, wrapped, erased_at: erased_at.map(Timestamp::new) })
            })
            .boxed()
    }

    /// Takes keys and erasures in, all or none of them. An erasure wins over a key, on whichever side it happened.
    ///
    /// # Errors
    /// If a key does not open or its subject has another one here, or Postgres cannot be reached or refuses.
    pub async fn import(&self, transfer: &MasterKey, keys: &[WrappedKey]) -> Result<Imported, KeysError> {
        let (mut alive, mut dead) = (Keys::default(), Vec::new());
        for key in keys {
            match (key.key, &key.wrapped) {
                (Some(id), Some(wrapped)) => {
                    alive.subjects.push(key.subject.as_str());
                    alive.ids.push(id);
                    alive.wrapped.push(self.rewrapped(transfer, &key.subject, id, wrapped)?);
                }
                _ => dead.push(key),
            }
        }
        let mut tx = self.0.pool.begin().await?;
        let imported = Imported { keys: alive.insert(&mut tx).await?, erased: bury(&mut tx, &dead).await? };
        tx.commit().await?;
        dead.iter().for_each(|key| self.0.cache.forget(&key.subject));
        Ok(imported)
    }

    fn rewrapped(&self, transfer: &MasterKey, subject: &str, id: Uuid, wrapped: &str) -> Result<Vec<u8>, KeysError> {
        let opened = BASE64.decode(wrapped).ok().and_then(|bytes| transfer.unwrap(id, subject.to_owned(), &bytes).ok());
        let key = opened.ok_or_else(|| KeysError::NotOurs(subject.to_owned()))?;
        Ok(self.0.master.wrap(&key))
    }
}

/// Columns of keys that are alive.
#[derive(Default)]
struct Keys<'a> {
    subjects: Vec<&'a str>,
    ids: Vec<Uuid>,
    wrapped: Vec<Vec<u8>>,
}

impl Keys<'_> {
    async fn insert(&self, tx: &mut PgConnection) -> Result<u64, KeysError> {
        let inserted = sqlx::query(
            "insert into keys.subject_keys (subject, key_id, wrapped)
             select * from unnest($1::text[], $2::uuid[], $3::bytea[])
             on conflict (subject) do nothing",
        )
        .bind(&self.subjects)
        .bind(&self.ids)
        .bind(&self.wrapped)
        .execute(&mut *tx)
        .await?;
        let other: Option<(String, Uuid)> = sqlx::query_as(
            "select subject, new.key_id
               from unnest($1::text[], $2::uuid[]) as new (subject, key_id) join keys.subject_keys as k using (subject)
              where k.erased_at is null and k.key_id <> new.key_id
              limit 1",
        )
        .bind(&self.subjects)
        .bind(&self.ids)
        .fetch_optional(tx)
        .await?;
        other.map_or(Ok(inserted.rows_affected()), |(subject, imported)| Err(KeysError::OtherKey { subject, imported }))
    }
}

async fn bury(tx: &mut PgConnection, dead: &[&WrappedKey]) -> Result<u64, KeysError> {
    let subjects: Vec<&str> = dead.iter().map(|key| key.subject.as_str()).collect();
    let ids: Vec<Option<Uuid>> = dead.iter().map(|key| key.key).collect();
    let times: Vec<Option<DateTime<Utc>>> = dead.iter().map(|key| key.erased_at.map(Timestamp::utc)).collect();
    let buried = sqlx::query(
        "insert into keys.subject_keys as k (subject, key_id, erased_at)
         select distinct on (subject) subject, key_id, coalesce(erased_at, now())
           from unnest($1::text[], $2::uuid[], $3::timestamptz[]) as new (subject, key_id, erased_at)
         on conflict (subject) do update set wrapped = null, erased_at = excluded.erased_at
          where k.erased_at is null",
    )
    .bind(subjects)
    .bind(ids)
    .bind(times)
    .execute(tx)
    .await?;
    Ok(buried.rows_affected())
}
