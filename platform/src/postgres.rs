//! Connections to Postgres: how pools are made, which servers will do, and which errors mean "away for now".

mod answered;
mod schema;
#[cfg(test)]
mod tests;

use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgPool, PgPoolOptions, PgSeverity};

pub use self::answered::{Lent, answered, lend};
pub use self::schema::{NotMigrated, SchemaVersion, migrate_schema, schema_version};
use crate::readiness::Check;
use crate::settings::Secret;
use crate::shutdown::Shutdown;

/// The oldest Postgres that will do: `transaction_timeout`, on which the event store's slow path rests, came with it.
pub const VERSION_MIN: u32 = 17;

const WATCH_PERIOD: Duration = Duration::from_secs(2);
/// How long the database may leave the watch unanswered.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(3);

/// Options of a connection that holds locks: the server notices within seconds that the machine at its other end is
/// gone, where it would take hours. The first is for what was sent and not acknowledged, the others for a quiet line.
pub const ENDS_WITH_ITS_CLIENT: [(&str, &str); 5] = [
    ("tcp_user_timeout", "5000"),
    ("tcp_keepalives_idle", "2"),
    ("tcp_keepalives_interval", "1"),
    ("tcp_keepalives_count", "3"),
    ("idle_session_timeout", "0"),
];

/// How a pool's connections are made.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// What `pg_stat_activity` shows.
    pub application_name: String,
    /// The schemas that bare table names mean.
    pub search_path: Option<String>,
    /// Connections at most.
    pub connections_max: u32,
    /// How long a caller waits for a free connection, and for a new one to be made.
    pub acquire_timeout: Duration,
    /// How long one statement may take; none where work must never be cancelled.
    pub statement_timeout: Option<Duration>,
    /// Whether a commit may be lost in a crash together with everything it says; for views, never for facts.
    pub synchronous_commit: bool,
    /// Whether each call of a statement is planned for the tables as they are then, instead of once for as long as the
    /// connection lives. For look-ups in tables that grow: a plan that was made for a few rows would walk through a
    /// million of them.
    pub plan_each_call: bool,
    /// Whether rows are never looked for by walking through a table. For who finds everything by its key: a plan that
    /// is kept from when the table was small must not walk through a million rows, and none is made anew by each call.
    pub by_key: bool,
    /// How long a transaction may stay open without a statement: what a process that was frozen in one holds is let go
    /// then, so that another can take over.
    pub idle_in_transaction_max: Option<Duration>,
    /// Whether the server refuses whatever would change something; for those who only look.
    pub read_only: bool,
}

impl PoolSettings {
    /// Safe for facts: 16 connections, 3 s to get one, no statement timeout, synchronous commits.
    pub fn new(application_name: impl Into<String>) -> Self {
        PoolSettings {
            application_name: application_name.into(),
            search_path: None,
            connections_max: 16,
            acquire_timeout: Duration::from_secs(3),
            statement_timeout: None,
            synchronous_commit: true,
            plan_each_call: false,
            by_key: false,
            idle_in_transaction_max: None,
            read_only: false,
        }
    }

    /// The same with another search path.
    #[must_use]
    pub fn search_path(mut self, schemas: impl Into<String>) -> Self {
        self.search_path = Some(schemas.into());
        self
    }

    /// The same, with each call planned for the tables as they are.
    #[must_use]
    pub fn plan_each_call(mut self) -> Self {
        self.plan_each_call = true;
        self
    }

    /// The same, with everything found by its key.
    #[must_use]
    pub fn by_key(mut self) -> Self {
        self.by_key = true;
        self
    }

    /// The same, with transactions that end when their client is not heard of for so long.
    #[must_use]
    pub fn idle_in_transaction_max(mut self, max: Duration) -> Self {
        self.idle_in_transaction_max = Some(max);
        self
    }

    /// The same with another number of connections.
    #[must_use]
    pub fn connections_max(mut self, connections_max: u32) -> Self {
        self.connections_max = connections_max;
        self
    }
}

/// Why a pool cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is none.
    #[error("the database URL cannot be read: {0}")]
    BadUrl(#[source] sqlx::Error),
    /// Nobody answers, or with a no.
    #[error("cannot connect to Postgres at {server}: {source}")]
    Unreachable {
        /// Host, port and database; never the password.
        server: String,
        /// What went wrong.
        source: sqlx::Error,
    },
    /// Too old.
    #[error(
        "Postgres at {server} is version {found}, but {VERSION_MIN} or later is needed (it has transaction_timeout)"
    )]
    TooOld {
        /// Host, port and database.
        server: String,
        /// Its version.
        found: u32,
    },
}

/// A pool that has connected once and knows that the server will do.
pub async fn pool(url: &Secret, settings: &PoolSettings) -> Result<PgPool, ConnectError> {
    let options = connect_options(url, settings)?;
    let server = server_name(&options);
    let unreachable = |source| ConnectError::Unreachable { server: server.clone(), source };
    let pool = match pool_options(settings).connect_with(options.clone()).await {
        Ok(pool) => pool,
        Err(error) => return Err(unreachable(told(&options, error).await)),
    };
    let number: String = sqlx::query_scalar("show server_version_num").fetch_one(&pool).await.map_err(unreachable)?;
    match major_version(&number) {
        Some(found) if found < VERSION_MIN => Err(ConnectError::TooOld { server, found }),
        _ => Ok(pool),
    }
}

/// A pool that connects when it is first used: for programs that must start while Postgres is away.
pub fn pool_lazy(url: &Secret, settings: &PoolSettings) -> Result<PgPool, ConnectError> {
    Ok(pool_options(settings).connect_lazy_with(connect_options(url, settings)?))
}

/// The same database over a few connections more, whose statements look rows up by their keys: each is planned once for
/// as long as its connection lives, and never as a walk through a table.
#[must_use]
pub fn looking_up(pool: &PgPool, connections_max: u32) -> PgPool {
    let options = PgConnectOptions::clone(&pool.connect_options());
    let options = options.options([("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off")]);
    pool.options().clone().min_connections(0).max_connections(connections_max).connect_lazy_with(options)
}

/// The options of a single connection, for those who hold one outside of a pool.
pub fn connect_options(url: &Secret, settings: &PoolSettings) -> Result<PgConnectOptions, ConnectError> {
    let mut options: PgConnectOptions = url.expose().parse().map_err(ConnectError::BadUrl)?;
    options = options.application_name(&settings.application_name);
    if let Some(schemas) = &settings.search_path {
        options = options.options([("search_path", schemas)]);
    }
    if let Some(timeout) = settings.statement_timeout {
        options = options.options([("statement_timeout", timeout.as_millis().to_string())]);
    }
    if !settings.synchronous_commit {
        options = options.options([("synchronous_commit", "off")]);
    }
    if settings.plan_each_call {
        options = options.options([("plan_cache_mode", "force_custom_plan")]);
    }
    if let Some(max) = settings.idle_in_transaction_max {
        options = options.options([("idle_in_transaction_session_timeout", max.as_millis().to_string())]);
    }
    if settings.by_key {
        options = options.options([("enable_seqscan", "off")]);
    }
    if settings.read_only {
        options = options.options([("default_transaction_read_only", "on")]);
    }
    Ok(options)
}

/// Whether the server is away, starting, stopping or out of room: worth another try, and a 503 meanwhile.
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // A connection that was cut in the middle of a message.
        sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(refused) => {
            refused.code().is_some_and(|code| is_unavailable_state(&code)) || is_closed(refused.as_ref())
        }
        _ => false,
    }
}

/// What is wrong with a server that is unavailable, and what follows, in one sentence.
pub fn why_unavailable(error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(|refused| refused.code());
    let (what, then) = match code.as_deref() {
        Some("53100") => ("the disk of Postgres is full", "make room; it goes on by itself"),
        Some("53200") => ("Postgres has no memory left", "end other clients or give it more; it goes on by itself"),
        Some("53300") => ("Postgres has no connection left", "raise max_connections or end other clients"),
        Some("57P01" | "57P02" | "57P03" | "57P05") => ("Postgres starts or stops", "it goes on by itself"),
        Some("25006") => ("Postgres takes no writes, as a standby does", "name the primary in the URL"),
        _ => ("Postgres cannot be reached", "check that it runs and that the URL is right"),
    };
    format!("{what} ({error}); {then}")
}

/// SQLSTATEs of a server that is away or overloaded: connection exceptions, insufficient resources (a full disk,
/// too many connections), operator intervention, and a standby that cannot write.
fn is_unavailable_state(code: &str) -> bool {
    let class = code.get(..2).unwrap_or_default();
    matches!(class, "08" | "53" | "58") || matches!(code, "57P01" | "57P02" | "57P03" | "57P05" | "25006" | "25P04")
}

/// Whether the database takes no connections just now, as while it is restored. A statement may fail with the same
/// SQLSTATE for a reason of its own, but then the connection goes on.
fn is_closed(refused: &dyn DatabaseError) -> bool {
    let refused = refused.try_downcast_ref::<PgDatabaseError>();
    refused.is_some_and(|refused| refused.code() == "55000" && matches!(refused.severity(), PgSeverity::Fatal))
}

/// Keeps a readiness check true to whether the database answers, until the end.
pub async fn watch(pool: PgPool, check: Check, shutdown: Shutdown) {
    loop {
        match ping(&pool).await {
            Ok(()) => check.pass(),
            Err(error) => check.fail(why_unavailable(&told(&pool.connect_options(), error).await)),
        }
        tokio::select! {
            () = tokio::time::sleep(WATCH_PERIOD) => {}
            () = shutdown.begun() => return,
        }
    }
}

/// A pool keeps trying while a server starts or has no connection left, and at last tells only of its patience:
/// then one attempt without a pool says why.
async fn told(options: &PgConnectOptions, error: sqlx::Error) -> sqlx::Error {
    if !matches!(error, sqlx::Error::PoolTimedOut) {
        return error;
    }
    match tokio::time::timeout(ANSWER_WAIT_MAX, options.connect()).await {
        Ok(Err(said)) => said,
        Ok(Ok(_)) | Err(_) => error,
    }
}

async fn ping(pool: &PgPool) -> sqlx::Result<()> {
    let mut connection = lend(pool).await?;
    answered(ANSWER_WAIT_MAX, sqlx::query("select 1").execute(&mut *connection)).await?;
    connection.give_back();
    Ok(())
}

/// Host, port and database, for messages.
pub fn server_name(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    format!("{}:{}/{database}", options.get_host(), options.get_port())
}

fn pool_options(settings: &PoolSettings) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(settings.connections_max)
        .acquire_timeout(settings.acquire_timeout)
        // A ping per checkout is a round trip; a dead connection shows at its first use and is classified.
        .test_before_acquire(false)
}

/// The major version out of `server_version_num`, such as 18 of 180006.
fn major_version(number: &str) -> Option<u32> {
    number.parse::<u32>().ok().map(|number| number / 10_000)
}
