//! The keys under which personal data is sealed, one for each subject, kept apart from the events.
//!
//! A key is committed before it is handed out, so that no event is ever sealed with a key that a crash takes away. An
//! erased subject leaves a tombstone: it never gets a key again, and what was sealed for it stays closed.

mod cache;
mod error;
mod look;
mod maker;
mod master;
mod transfer;

use std::collections::HashMap;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use envelope::{Sealed, SubjectKey};
use platform::postgres::{answered, lend};
use serde::Serialize;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, PgPool};
use uuid::Uuid;

pub use error::KeysError;
pub use master::MasterKey;
pub use transfer::{Imported, WrappedKey};

use cache::Cache;
use maker::Maker;

/// How long Postgres may leave a question unanswered.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations-keys");

/// How long a subject's name may be.
pub const SUBJECT_BYTES_MAX: usize = 256;

/// Makes, finds and destroys the keys of subjects. Cheap to clone.
#[derive(Clone)]
pub struct KeyRing(Arc<Ring>);

struct Ring {
    pool: PgPool,
    master: Arc<MasterKey>,
    cache: Arc<Cache>,
    maker: Maker,
}

/// Seals for one subject; for an erased one it yields [`Sealed::Erased`].
pub struct Sealer(Option<SubjectKey>);

impl KeyRing {
    /// Creates or updates the schema `keys`.
    ///
    /// # Errors
    /// If Postgres cannot be reached or refuses, or if the schema is newer than this program.
    pub async fn migrate(url: &str) -> Result<(), KeysError> {
        let options = PgConnectOptions::from_str(url)?.application_name("keys migrate");
        let options = options.options([("search_path", "keys")]);
        let mut connection = PgConnection::connect_with(&options).await?;
        // Two processes that start together would both find no schema.
        sqlx::query("select pg_advisory_lock(hashtext('keys migrate'))").execute(&mut connection).await?;
        let look = sqlx::query_scalar("select to_regnamespace('keys') is not null");
        let exists: bool = look.fetch_one(&mut connection).await?;
        if !exists {
            sqlx::query("create schema keys").execute(&mut connection).await?;
        }
        MIGRATIONS.run(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }

    /// Opens the ring. The pool leads to the database that [`KeyRing::migrate`] prepared.
    ///
    /// # Errors
    /// If Postgres cannot be reached, nothing was migrated, or the keys there were wrapped by another master key.
    pub async fn connect(pool: PgPool, master: MasterKey) -> Result<Self, KeysError> {
        sqlx::query("insert into keys.master_key (fingerprint) values ($1) on conflict do nothing")
            .bind(master.fingerprint().as_slice())
            .execute(&pool)
            .await?;
        let known: Vec<u8> = sqlx::query_scalar("select fingerprint from keys.master_key").fetch_one(&pool).await?;
        if known != master.fingerprint() {
            return Err(KeysError::OtherMaster);
        }
        let (master, cache) = (Arc::new(master), Arc::new(Cache::new(Instant::now())));
        let maker = Maker::start(pool.clone(), Arc::clone(&master), Arc::clone(&cache));
        Ok(Self(Arc::new(Ring { pool, master, cache, maker })))
    }

    /// The key of a subject, made if there is none yet and durable when this returns. `None` if the subject was erased.
    ///
    /// Requests that arrive together are one transaction.
    ///
    /// # Errors
    /// If the subject's name is unfit, or Postgres cannot be reached or refuses.
    pub async fn key_of(&self, subject: &str) -> Result<Option<SubjectKey>, KeysError> {
        if let Some(key) = self.0.cache.of_subject(subject, Instant::now()) {
            return Ok(Some(key));
        }
        if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX || subject.contains('\0') {
            return Err(KeysError::BadSubject);
        }
        self.0.maker.make(subject.to_owned()).await
    }

    /// Seals values for a subject: `ring.sealed("ana", |seal| seal.seal("name", &name))`.
    ///
    /// # Errors
    /// As [`KeyRing::key_of`].
    pub async fn sealed<T>(&self, subject: &str, seal: impl FnOnce(&Sealer) -> T) -> Result<T, KeysError> {
        Ok(seal(&Sealer(self.key_of(subject).await?)))
    }

    /// The keys of these ids, as far as they still exist: what is missing was erased.
    ///
    /// # Errors
    /// If Postgres cannot be reached or refuses, or a stored key does not open.
    pub async fn open_many(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, SubjectKey>, KeysError> {
        let epoch = self.0.cache.epoch();
        let (mut keys, missing) = self.0.cache.of_ids(ids, Instant::now());
        if missing.is_empty() {
            return Ok(keys);
        }
        let rows = sqlx::query_as::<_, (String, Uuid, Vec<u8>)>(
            "select subject, key_id, wrapped from keys.subject_keys where key_id = any($1) and wrapped is not null",
        )
        .bind(&missing);
        let mut connection = lend(&self.0.pool).await?;
        let found = async { Ok::<_, KeysError>(rows.fetch_all(&mut *connection).await?) };
        let rows = answered(ANSWER_WAIT_MAX, found).await?;
        connection.give_back();
        let now = Instant::now();
        for (subject, id, wrapped) in rows {
            let key = self.0.master.unwrap(id, subject, &wrapped)?;
            self.0.cache.keep(epoch, &key, now);
            keys.insert(id, key);
        }
        Ok(keys)
    }

    /// Destroys the key of a subject for ever and leaves a tombstone, also if there was no key. Returns the key's id.
    /// Asking again changes nothing. Other processes forget the key within a minute.
    ///
    /// # Errors
    /// If the subject's name is unfit, or Postgres cannot be reached or refuses.
    pub async fn erase(&self, subject: &str) -> Result<Option<Uuid>, KeysError> {
        if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX || subject.contains('\0') {
            return Err(KeysError::BadSubject);
        }
        let erased = sqlx::query_scalar(
            "insert into keys.subject_keys as k (subject, erased_at) values ($1, now())
             on conflict (subject) do update set wrapped = null, erased_at = coalesce(k.erased_at, now())
             returning key_id",
        )
        .bind(subject)
        .fetch_one(&self.0.pool)
        .await;
        // Also after an error: the commit may have happened although its answer was lost.
        self.0.cache.forget(subject);
        Ok(erased?)
    }

    /// Forgets a key that another process destroyed.
    pub fn forget(&self, subject: &str) {
        self.0.cache.forget(subject);
    }
}

impl Sealer {
    /// Seals a value for one field.
    #[must_use]
    pub fn seal<T: Serialize>(&self, field: &str, value: &T) -> Sealed<T> {
        self.0.as_ref().map_or_else(Sealed::erased, |key| key.seal(field, value))
    }

    /// Whether the subject was erased, so that nothing can be sealed for it.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        self.0.is_none()
    }
}
