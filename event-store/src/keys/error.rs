//! What can go wrong with keys.

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::migrate::MigrateError;
use uuid::Uuid;

/// Why a key could not be had. Cheap to clone, because many requests share one transaction.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeysError {
    /// Postgres cannot be reached, is shutting down or has no room: the text says which, and what to do. Everything
    /// resumes by itself when that is over.
    #[error("the database of the keys: {0}")]
    Unavailable(String),
    /// Postgres refused a statement.
    #[error("the database of the keys refused: {0}")]
    Database(#[source] Arc<sqlx::Error>),
    /// Nothing was migrated yet.
    #[error("there is no schema `keys` in this database; run `migrate` first")]
    NotMigrated,
    /// The schema was made by a newer version of this program.
    #[error("the schema `keys` was migrated by a newer version ({0}); run that version or a newer one")]
    NewerSchema(i64),
    /// A migration failed.
    #[error("the schema `keys` could not be migrated: {0}")]
    Migration(Arc<MigrateError>),
    /// The keys were wrapped by another master key.
    #[error("the keys in this database were wrapped by another master key; start with the one they were made with")]
    OtherMaster,
    /// One key does not open although the master key is right.
    #[error("the stored key {0} was changed or belongs to another subject; restore the schema `keys` from a backup")]
    Damaged(Uuid),
    /// A subject has another key already, so what is imported could not be opened.
    #[error("`{subject}` has another key here than the one imported ({imported}); import into an empty instance")]
    OtherKey {
        /// Whose key.
        subject: String,
        /// The key that was to be imported.
        imported: Uuid,
    },
    /// What is imported was not wrapped by the key it is opened with, or was changed on the way.
    #[error("the imported key of subject `{0}` does not open; import it with the key it was exported with")]
    NotOurs(String),
    /// The subject's name is unfit.
    #[error("a subject has 1 to {max} bytes and no NUL", max = super::SUBJECT_BYTES_MAX)]
    BadSubject,
    /// The text is no key.
    #[error("a master key is 32 bytes as 64 hexadecimal digits or as base64; make one with `openssl rand -hex 32`")]
    BadMaster,
    /// The file of the master key cannot be read or written.
    #[error(
        "the master key {} cannot be read or written ({reason}); check the path and its permissions",
        .path.display()
    )]
    File {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The process shuts down.
    #[error("the key ring is shutting down")]
    Closed,
}

impl From<sqlx::Error> for KeysError {
    fn from(error: sqlx::Error) -> Self {
        if platform::postgres::is_unavailable(&error) {
            return Self::Unavailable(platform::postgres::why_unavailable(&error));
        }
        match error.as_database_error().and_then(|refused| refused.code()).as_deref() {
            // Undefined table, invalid schema name.
            Some("42P01" | "3F000") => Self::NotMigrated,
            _ => Self::Database(Arc::new(error)),
        }
    }
}

impl From<MigrateError> for KeysError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::NewerSchema(version),
            MigrateError::Execute(error) => error.into(),
            error => Self::Migration(Arc::new(error)),
        }
    }
}
