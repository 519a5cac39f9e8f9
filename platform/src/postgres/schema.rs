//! Schemas made by this program: whether one is that of this version, and how it becomes it.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{PgConnection, PgExecutor, PgPool};

/// How a schema stands to this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaVersion {
    /// It is to be migrated, or made.
    Older,
    /// It is the one.
    Same,
    /// A newer program has made it this version.
    Newer(i64),
}

/// Compares what was migrated, as `table` notes it, with what this program would migrate to.
///
/// # Errors
/// If Postgres is away.
pub async fn schema_version(db: impl PgExecutor<'_>, table: &str, migrator: &Migrator) -> sqlx::Result<SchemaVersion> {
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
    let asked = format!("select coalesce(max(version), 0) from {table} where success");
    let newest: i64 = match sqlx::query_scalar(&asked).fetch_one(db).await {
        Err(error) if is_missing(&error) => return Ok(SchemaVersion::Older),
        found => found?,
    };
    Ok(match newest.cmp(&known) {
        std::cmp::Ordering::Less => SchemaVersion::Older,
        std::cmp::Ordering::Equal => SchemaVersion::Same,
        std::cmp::Ordering::Greater => SchemaVersion::Newer(newest),
    })
}

/// There is no such table, or not even the schema.
fn is_missing(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|refusal| refusal.code());
    code.is_some_and(|code| code == "42P01" || code == "3F000")
}

/// Why a schema was not migrated.
#[derive(Debug, thiserror::Error)]
pub enum NotMigrated {
    /// A newer version of this program has been here.
    #[error("it was migrated by a newer version ({0}); run that version or a newer one")]
    Newer(i64),
    /// A migration was refused.
    #[error("a migration was refused: {0}")]
    Refused(#[source] MigrateError),
    /// Postgres refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Makes a schema or brings it up to date; several processes may do so at once. Gives a connection whose search path is
/// that schema and which keeps the others waiting until it is closed, for whatever else is to be made in it.
///
/// # Errors
/// [`NotMigrated`] says why not.
pub async fn migrate_schema(pool: &PgPool, schema: &str, migrations: &Migrator) -> Result<PgConnection, NotMigrated> {
    // Detached, because its search path is not that of the other connections.
    let mut connection = pool.acquire().await?.detach();
    // Two processes that start together would both find nothing.
    let begin = format!(
        "select pg_advisory_lock(hashtext('handsel migrate {schema}'));
         create schema if not exists {schema}; set search_path = {schema}"
    );
    sqlx::raw_sql(&begin).execute(&mut connection).await?;
    migrations.run_direct(&mut connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => NotMigrated::Newer(version),
        other => NotMigrated::Refused(other),
    })?;
    Ok(connection)
}
