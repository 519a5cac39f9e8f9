//! Whether a schema is that of this program.

use sqlx::PgExecutor;
use sqlx::migrate::Migrator;

/// How a schema stands to this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaVersion {
    /// It is to be migrated.
    Older,
    /// It is the one.
    Same,
    /// A newer program has made it this version.
    Newer(i64),
}

/// Compares what was migrated, as `table` notes it, with what this program would migrate to.
///
/// # Errors
/// If Postgres is away, or there is no such table or schema.
pub async fn schema_version(db: impl PgExecutor<'_>, table: &str, migrator: &Migrator) -> sqlx::Result<SchemaVersion> {
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
    let asked = format!("select coalesce(max(version), 0) from {table} where success");
    let newest: i64 = sqlx::query_scalar(&asked).fetch_one(db).await?;
    Ok(match newest.cmp(&known) {
        std::cmp::Ordering::Less => SchemaVersion::Older,
        std::cmp::Ordering::Equal => SchemaVersion::Same,
        std::cmp::Ordering::Greater => SchemaVersion::Newer(newest),
    })
}
