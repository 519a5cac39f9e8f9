//! Makes the schema `react` and says where each policy begins.

use envelope::Position;
use event_schemas::Context;
use event_store::{Reader, StoreError};
use platform::postgres::{NotMigrated, SchemaVersion, migrate_schema, schema_version};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection as _, PgPool};

use crate::checkpoints::Checkpoint;
use crate::engine::all_policies;
use crate::webhooks;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Why the schema is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum MigrationFailed {
    /// The schema was made by a newer version of this program.
    #[error("the schema `react` was migrated by a newer version ({0}); run that version or a newer one")]
    Newer(i64),
    /// Nothing was migrated, or by an older version.
    #[error("the schema `react` is not that of this version; run `handsel migrate`")]
    NotMigrated,
    /// A migration was refused.
    #[error("migrating the schema `react`: {0}")]
    Refused(#[source] MigrateError),
    /// Postgres refused or is away.
    #[error("the database of the policies: {0}")]
    Database(#[from] sqlx::Error),
    /// A store cannot be asked where it ends.
    #[error("asking where a store ends: {0}")]
    Store(#[from] StoreError),
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

/// Makes or updates the schema. A policy that is new begins at the ends of its stores: what happened before it was
/// there, it does not react to.
///
/// # Errors
/// [`MigrationFailed`] says what to do.
pub async fn migrate(pool: &PgPool, stores: &[(Context, Reader)]) -> Result<(), MigrationFailed> {
    let mut connection = migrate_schema(pool, "react", &MIGRATIONS).await?;
    for (context, reader) in stores {
        let head = reader.head().await?;
        for policy in all_policies().filter(|policy| policy.contexts.contains(context)) {
            sqlx::query(
                "insert into checkpoints (policy, context, history, position, event_id) values ($1, $2, $3, $4, $5)
                 on conflict do nothing",
            )
            .bind(policy.name)
            .bind(context.name())
            .bind(head.history.0)
            .bind(head.position.get())
            .bind(head.event_id)
            .execute(&mut connection)
            .await?;
        }
    }
    connection.close().await?;
    Ok(())
}

/// Lets every policy begin where a store ends now: for a store into which events were copied that others have reacted
/// to already.
///
/// # Errors
/// If a database is away.
pub async fn begin_at_head(pool: &PgPool, context: Context, reader: &Reader) -> Result<(), MigrationFailed> {
    let head = reader.head().await?;
    sqlx::query("update react.checkpoints set history = $2, position = $3, event_id = $4 where context = $1")
        .bind(context.name())
        .bind(head.history.0)
        .bind(head.position.get())
        .bind(head.event_id)
        .execute(pool)
        .await?;
    webhooks::begin_at_head(pool, context, reader).await
}

/// The schema exists and is that of this program.
///
/// # Errors
/// [`MigrationFailed`] says what to do.
pub async fn check_version(pool: &PgPool) -> Result<(), MigrationFailed> {
    match schema_version(pool, "react._sqlx_migrations", &MIGRATIONS).await? {
        SchemaVersion::Older => Err(MigrationFailed::NotMigrated),
        SchemaVersion::Same => Ok(()),
        SchemaVersion::Newer(newest) => Err(MigrationFailed::Newer(newest)),
    }
}

/// Lets the policies go on in the history that a store has begun after it lost events. What was noted for events that
/// are gone stays noted: it may have been sent, and those who are asked decide whether it still matters.
///
/// # Errors
/// If a database is away.
pub async fn follow_recovery(pool: &PgPool, context: Context, reader: &Reader) -> Result<(), MigrationFailed> {
    let end = Checkpoint::from(reader.head().await?);
    let held: Vec<(String, i64)> =
        sqlx::query_as("select policy, position from react.checkpoints where context = $1 and history <> $2")
            .bind(context.name())
            .bind(end.history.0)
            .fetch_all(pool)
            .await?;
    for (policy, position) in held {
        let at = end.back(reader, Position(position)).await?;
        sqlx::query(
            "update react.checkpoints set history = $3, position = $4, event_id = $5
              where policy = $1 and context = $2",
        )
        .bind(policy)
        .bind(context.name())
        .bind(at.history.0)
        .bind(at.position.get())
        .bind(at.event_id)
        .execute(pool)
        .await?;
    }
    webhooks::follow_recovery(pool, context, reader).await
}
