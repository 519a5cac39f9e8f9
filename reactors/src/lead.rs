//! The lock by which one process at a time leads.

use std::str::FromStr as _;
use std::time::Duration;

use platform::postgres::{ENDS_WITH_ITS_CLIENT, answered};
use platform::readiness::Check;
use platform::settings::Secret;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

use crate::reading::Stopped;

/// How often one that stands by looks whether it may lead, and one that leads whether it still holds its lock.
const LOCK_EVERY: Duration = Duration::from_secs(1);
/// How long the connection of the lock may be left unanswered.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);

/// The lock while it is held: it lies on a connection of its own.
pub(crate) struct Lead(PgConnection);

impl Lead {
    /// Waits until this process may lead. Whoever stands by is well. `kind` is half of the lock's key, so that nobody
    /// else's advisory locks are met.
    ///
    /// # Errors
    /// If Postgres is away.
    pub(crate) async fn take(
        url: &Secret,
        application: &str,
        (kind, name): (i32, &str),
        check: &Check,
    ) -> Result<Self, Stopped> {
        let options =
            PgConnectOptions::from_str(url.expose())?.application_name(application).options(ENDS_WITH_ITS_CLIENT);
        let mut lock = answered(ANSWER_WAIT_MAX, PgConnection::connect_with(&options)).await?;
        let take = "select pg_try_advisory_lock($1, hashtext($2))";
        loop {
            let taking = sqlx::query_scalar(take).bind(kind).bind(name).fetch_one(&mut lock);
            if answered(ANSWER_WAIT_MAX, taking).await? {
                return Ok(Self(lock));
            }
            check.pass();
            tokio::time::sleep(LOCK_EVERY).await;
        }
    }

    /// Returns when it is held no longer.
    pub(crate) async fn lost(&mut self) -> Stopped {
        loop {
            tokio::time::sleep(LOCK_EVERY).await;
            if answered(ANSWER_WAIT_MAX, self.0.ping()).await.is_err() {
                return Stopped::Unlocked;
            }
        }
    }
}
