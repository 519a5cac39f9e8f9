//! What can be said of the keys without touching them.

use std::collections::BTreeSet;

use platform::postgres::{SchemaVersion, schema_version};
use sqlx::PgPool;
use uuid::Uuid;

use super::{KeyRing, KeysError, MIGRATIONS, MasterKey};

impl KeyRing {
    /// The schema `keys` exists and is that of this program.
    ///
    /// # Errors
    /// [`KeysError::NotMigrated`] also if it is older, [`KeysError::NewerSchema`], or if Postgres is away.
    pub async fn check_version(pool: &PgPool) -> Result<(), KeysError> {
        match schema_version(pool, "keys._sqlx_migrations", &MIGRATIONS).await? {
            SchemaVersion::Older => Err(KeysError::NotMigrated),
            SchemaVersion::Same => Ok(()),
            SchemaVersion::Newer(newest) => Err(KeysError::NewerSchema(newest)),
        }
    }

    /// Whether the keys were made under this master key; `None` if no ring was ever opened here.
    ///
    /// # Errors
    /// If Postgres is away or nothing was migrated.
    pub async fn were_made_under(pool: &PgPool, master: &MasterKey) -> Result<Option<bool>, KeysError> {
        let known: Option<Vec<u8>> =
            sqlx::query_scalar("select fingerprint from keys.master_key").fetch_optional(pool).await?;
        Ok(known.map(|known| known == master.fingerprint()))
    }

    /// Which of these keys the database does not know, not even as erased: what was sealed under them stays closed.
    ///
    /// # Errors
    /// As [`KeyRing::were_made_under`].
    pub async fn unknown(pool: &PgPool, ids: &BTreeSet<Uuid>) -> Result<Vec<Uuid>, KeysError> {
        let ids: Vec<Uuid> = ids.iter().copied().collect();
        let unknown = sqlx::query_scalar(
            "select id from unnest($1::uuid[]) as id
              where not exists (select from keys.subject_keys where key_id = id) order by id",
        );
        Ok(unknown.bind(ids).fetch_all(pool).await?)
    }
}
