//! What can go wrong with a store, in words for whoever has to mend it.

use std::sync::Arc;

use envelope::{History, Position};

/// Why the store could not do what it was asked. Several who wait for the same thing hear the same.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Postgres cannot be reached, is shutting down or has no room: the text says which, and what to do. Everything
    /// resumes by itself when that is over.
    #[error("{0}")]
    Unavailable(String),
    /// Postgres refused a statement.
    #[error("Postgres refused: {0}")]
    Database(#[source] Arc<sqlx::Error>),
    /// The schema was made by a newer version of this program.
    #[error("the store `{context}` was migrated by a newer version ({version}); run that version or a newer one")]
    NewerSchema {
        /// Whose store.
        context: String,
        /// The migration that is not known here.
        version: i64,
    },
    /// Nothing was migrated yet.
    #[error("the store `{0}` does not exist in this database; run `migrate` first")]
    NotMigrated(String),
    /// The newest event that was known is not in the store any more.
    #[error(
        "the store `{context}` lost events: position {position} of history {history} is gone or is another event. \
         A replica was promoted or a backup restored; run `recover {context}`"
    )]
    HistoryLost {
        /// Whose store.
        context: String,
        /// The history that was known.
        history: History,
        /// The position that was known.
        position: Position,
    },
    /// The store is not what was signed of it.
    #[error("the store `{context}` takes no commands, because it lost events: {loss}")]
    NotAsSigned {
        /// Whose store.
        context: String,
        /// What the signed heads say.
        loss: String,
    },
    /// Somebody else works on the store, and what was asked for needs it at rest.
    #[error(
        "the store `{context}` is in use by {by}; stop every process that appends to it or relays it and try again"
    )]
    InUse {
        /// Whose store.
        context: String,
        /// Who was seen.
        by: String,
    },
    /// A stored event cannot be read back.
    #[error("event {position} of type {event_type} v{event_version} cannot be read: {reason}")]
    Decode {
        /// Where it stands.
        position: Position,
        /// Its type.
        event_type: String,
        /// Its version.
        event_version: String,
        /// What the decoder said.
        reason: String,
    },
    /// The event or command cannot be written as JSON.
    #[error("it cannot be written as JSON: {0}")]
    Encode(#[source] Arc<serde_json::Error>),
    /// An event is larger than what can be published.
    #[error("an event of {bytes} bytes is above the limit of {max} bytes; put large content elsewhere and refer to it")]
    TooLarge {
        /// Its payload and metadata together.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// `Aggregate::handle` waited for something.
    #[error("the aggregate's `handle` waited; decisions are made between two batches and must not do I/O")]
    HandleWaited,
    /// A rule of the aggregate panicked; nothing was decided.
    #[error("the rule panicked; the log has the message and the place")]
    Panicked,
    /// The rows contradict each other.
    #[error("the store is damaged at position {position}: {reason}; run `verify`")]
    Damaged {
        /// Where.
        position: Position,
        /// What is wrong.
        reason: String,
    },
    /// A transaction without a command.
    #[error("nothing was asked: add at least one command")]
    Empty,
    /// A transaction cannot expect one version of several aggregates.
    #[error("a version was expected without saying of which aggregate; add a guard for it instead")]
    WhoseVersion,
    /// Not a name for a schema.
    #[error("`{0}` cannot name a context; use lower-case letters, digits and underscores")]
    Name(String),
    /// The appender ended, because the process shuts down.
    #[error("the store is shutting down")]
    Closed,
}

impl StoreError {
    pub(crate) fn encode(error: serde_json::Error) -> Self {
        Self::Encode(Arc::new(error))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if platform::postgres::is_unavailable(&error) {
            Self::Unavailable(platform::postgres::why_unavailable(&error))
        } else {
            Self::Database(Arc::new(error))
        }
    }
}
