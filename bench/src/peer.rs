//! The published `postgres-es`, set up as its documentation says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use cqrs_es::AggregateError;
use postgres_es::{PostgresCqrs, postgres_cqrs};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::till::{self, Till};

/// Its tables as its repository has them in `db/init.sql`.
const TABLES: &str = "
create table events (
    aggregate_type text not null,
    aggregate_id text not null,
    sequence bigint check (sequence >= 0) not null,
    event_type text not null,
    event_version text not null,
    payload json not null,
    metadata json not null,
    primary key (aggregate_type, aggregate_id, sequence)
)";

/// What `default_postgress_pool` takes.
const CONNECTIONS_MAX: u32 = 10;

#[derive(Clone)]
pub(crate) struct Peer {
    pool: PgPool,
    cqrs: Arc<PostgresCqrs<Till>>,
    conflicts: Arc<AtomicU64>,
}

impl Peer {
    /// In a schema of its own in the same database.
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        let options: PgConnectOptions = url.parse()?;
        let options = options.options([("search_path", "peer")]);
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).connect_with(options).await?;
        for sql in ["drop schema if exists peer cascade", "create schema peer", TABLES] {
            sqlx::query(sql).execute(&pool).await.context("making the tables of postgres-es")?;
        }
        let cqrs = Arc::new(postgres_cqrs(pool.clone(), Vec::new(), ()));
        Ok(Self { pool, cqrs, conflicts: Arc::default() })
    }

    /// Asks until no other command was faster, as its documentation tells callers to do.
    pub(crate) async fn execute(&self, id: &str) -> anyhow::Result<()> {
        loop {
            match self.cqrs.execute(id, till::deposit()).await {
                Ok(()) => return Ok(()),
                Err(AggregateError::AggregateConflict) => self.conflicts.fetch_add(1, Ordering::Relaxed),
                Err(error) => return Err(error.into()),
            };
        }
    }

    /// How many attempts lost since the last call.
    pub(crate) fn take_conflicts(&self) -> u64 {
        self.conflicts.swap(0, Ordering::Relaxed)
    }

    /// How many events are stored.
    pub(crate) async fn stored(&self) -> anyhow::Result<u64> {
        let count: i64 = sqlx::query_scalar("select count(*) from events").fetch_one(&self.pool).await?;
        Ok(u64::try_from(count)?)
    }
}
