//! What a store wants to know when it is opened.

use std::str::FromStr as _;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::StoreError;
use crate::heads::Vouched;

/// Settings of one store. [`StoreConfig::new`] has values that fit most.
#[derive(Clone)]
pub struct StoreConfig {
    /// The name of the context: the store is the schema `es_<context>`.
    pub context: String,
    /// Where its database is.
    pub url: String,
    /// How many partitions its topic has; tokens name them.
    pub partitions: i32,
    /// How many aggregates are kept in memory.
    pub cache_aggregates_max: usize,
    /// How many events are written in one batch.
    pub batch_events_max: usize,
    /// How many commands may wait to be decided; more are refused as overload.
    pub queue_commands_max: usize,
    /// How long a command may take before it is answered as unavailable.
    pub command_timeout: Duration,
    /// How many connections readers share.
    pub reader_connections_max: u32,
    /// What the store has to agree with before an appender starts on it, if anything was signed.
    pub vouched: Option<Vouched>,
}

impl StoreConfig {
    /// A store of this context in this database.
    #[must_use]
    pub fn new(context: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            context: context.into(),
            url: url.into(),
            partitions: 6,
            cache_aggregates_max: 50_000,
            batch_events_max: 1_000,
            queue_commands_max: 8_192,
            command_timeout: Duration::from_secs(5),
            reader_connections_max: 4,
            vouched: None,
        }
    }

    /// The schema that holds the store.
    #[must_use]
    pub fn schema(&self) -> String {
        format!("es_{}", self.context)
    }

    /// How long Postgres may leave the appender unanswered before its connection counts as lost: when nobody waits any
    /// more, and longer than a transaction under the lock may take.
    pub(crate) fn answer_wait_max(&self) -> Duration {
        self.command_timeout * 2
    }

    /// The key of the advisory lock under which this store is appended to.
    pub(crate) fn lock_key(&self) -> i64 {
        self.key_of("append to")
    }

    /// The key of the advisory lock that the leading relay holds.
    pub(crate) fn relay_lock_key(&self) -> i64 {
        self.key_of("relay of")
    }

    fn key_of(&self, purpose: &str) -> i64 {
        let hash = Sha256::digest(format!("{purpose} {}", self.schema()));
        i64::from_be_bytes(*hash.first_chunk().expect("SHA-256 has 32 bytes"))
    }

    /// Connections that are made when they are needed.
    pub(crate) fn pool(&self, purpose: &str, connections_max: u32) -> Result<PgPool, StoreError> {
        let options = PgPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(self.command_timeout)
            // A ping per checkout is a round trip; a dead connection shows at its first use.
            .test_before_acquire(false);
        Ok(options.connect_lazy_with(self.connect_options(purpose)?))
    }

    /// Connections see the store's schema and nothing else. JIT never pays for statements this short. Everything is
    /// found by its key: a plan that is kept from when there were but a few rows must not walk through a million, and
    /// then one plan serves every call: making it anew costs several times what it finds.
    pub(crate) fn connect_options(&self, purpose: &str) -> Result<PgConnectOptions, StoreError> {
        let options = PgConnectOptions::from_str(&self.url).map_err(StoreError::from)?;
        Ok(options.application_name(&format!("{} {purpose}", self.context)).options([
            ("search_path", self.schema().as_str()),
            ("jit", "off"),
            ("enable_seqscan", "off"),
            ("plan_cache_mode", "force_generic_plan"),
            ("timezone", "UTC"),
        ]))
    }
}

impl std::fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreConfig").field("context", &self.context).finish_non_exhaustive()
    }
}
