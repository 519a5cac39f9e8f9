//! What can be said of the keys without touching them.

use std::collections::BTreeSet;

use sqlx::PgPool;
use uuid::Uuid;

use super::{KeyRing, KeysError, MIGRATIONS, MasterKey};

impl KeyRing {
    /// The schema `keys` exists and is that of this program.
    ///
    /// # Errors
    /// [`KeysError::NotMigrated`] also if it is older, [`KeysError::NewerSchema`], or if Postgres is away.
    pub async fn check_version(pool: &PgPool) -> Result<(), KeysError> {
        let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
        let asked = sqlx::query_scalar("select coalesce(max(version), 0) from keys._sqlx_migrations where success");
        let newest: i64 = asked.fetch_one(pool).await?;
        match newest.cmp(&known) {
            std::cmp::Ordering::Less => Err(KeysError::NotMigrated),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(KeysError::NewerSchema(newest)),
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
