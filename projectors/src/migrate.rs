//! Makes the schema `read` and the first generation of every read model.

use platform::postgres::{SchemaVersion, schema_version};
use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

use crate::{generation, table};

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

/// Makes or updates the schema `read`, and read models that are new.
///
/// # Errors
/// [`MigrationFailed`] says what to do.
pub async fn migrate(pool: &PgPool) -> Result<(), MigrationFailed> {
    // Detached, because its search path is not that of the other connections.
    let mut connection = pool.acquire().await?.detach();
    // Two processes that start together would both find nothing.
    table::run(&mut connection, "select pg_advisory_lock(hashtext('handsel migrate read'))").await?;
    table::run(&mut connection, "create schema if not exists read; set search_path = read").await?;
    MIGRATIONS.run_direct(&mut connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => MigrationFailed::Newer(version),
        other => MigrationFailed::Refused(other),
    })?;
    generation::ensure_all(&mut connection).await?;
    sqlx::Connection::close(connection).await?;
    Ok(())
}

/// The schema `read` exists and is that of this program.
///
/// # Errors
/// [`MigrationFailed`] says what to do.
pub async fn check_version(pool: &PgPool) -> Result<(), MigrationFailed> {
    let found = schema_version(pool, "read._sqlx_migrations", &MIGRATIONS).await.map_err(|error| {
        let code = error.as_database_error().and_then(|refusal| refusal.code());
        // There is no such table, or not even the schema.
        if code.is_some_and(|code| code == "42P01" || code == "3F000") {
            MigrationFailed::NotMigrated
        } else {
            MigrationFailed::Database(error)
        }
    })?;
    match found {
        SchemaVersion::Older => Err(MigrationFailed::NotMigrated),
        SchemaVersion::Same => Ok(()),
        SchemaVersion::Newer(newest) => Err(MigrationFailed::Newer(newest)),
    }
}
