//! Makes the schema `read` and the first generation of every read model.

use platform::postgres::{NotMigrated, SchemaVersion, migrate_schema, schema_version};
use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

use crate::generation;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Why the schema could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MigrationFailed {
    /// The schema was made by a newer version of this program.
    #[error("the read models were migrated by a newer version ({0}); run that version or a newer one")]
    Newer(i64),
    /// Nothing was migrated, or by an older version.
    #[error("the read models are not those of this version; run `handsel migrate`")]
    NotMigrated,
    /// A migration was refused.
    #[error("migrating the schema `read`: {0}")]
    Refused(#[source] MigrateError),
    /// Postgres refused or is away.
    #[error("the database of the read models: {0}")]
    Database(#[from] sqlx::Error),
}

impl From<NotMigrated> for MigrationFailed {
    fn from(reason: NotMigrated) -> Self {
        match reason {
            NotMigrated::Newer(version) => Self::Newer(version),
            NotMigrated::Refused(error) => Self::Refused(error),
            NotMigrated::Database(error) => Self::Database(error),
        }
    }
}

/// Makes or updates the schema `read`, and read models that are new.
///
/// # Errors
/// [`MigrationFailed`] says what to do.
pub async fn migrate(pool: &PgPool) -> Result<(), MigrationFailed> {
    let mut connection = migrate_schema(pool, "read", &MIGRATIONS).await?;
    generation::ensure_all(&mut connection).await?;
    sqlx::Connection::close(connection).await?;
    Ok(())
}

/// The schema `read` exists and is that of this program.
///
/// # Errors
/// [`MigrationFailed`] says what to do.
pub async fn check_version(pool: &PgPool) -> Result<(), MigrationFailed> {
    match schema_version(pool, "read._sqlx_migrations", &MIGRATIONS).await? {
        SchemaVersion::Older => Err(MigrationFailed::NotMigrated),
        SchemaVersion::Same => Ok(()),
        SchemaVersion::Newer(newest) => Err(MigrationFailed::Newer(newest)),
    }
}
