//! Delivers in one process at a time.

use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::time::Duration;

use event_schemas::Context;
use event_store::{Reader, Store};
use platform::postgres::{ENDS_WITH_ITS_CLIENT, PoolSettings, answered, pool_lazy};
use platform::readiness::{Check, Readiness};
use platform::settings;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use super::pace::Pace;
use super::secret::Secrets;
use super::send::Sender;
use super::session::{self, Session};
use crate::heads::Heads;
use crate::reading::Stopped;

/// By which the lead is known, among those of the policies.
pub(super) const NAME: &str = "webhooks";
/// Half of the lock's key, so that nobody else's advisory locks are met.
const LOCK_KIND: i32 = 0x4853_5748;
const CONNECTIONS_MAX: u32 = 4;
/// How long one that was frozen in a transaction keeps others from leading.
const IDLE_IN_TRANSACTION_MAX: Duration = Duration::from_secs(10);
/// How long deliveries wait that cannot go on.
const RETRY_STOPPED: Duration = Duration::from_secs(2);
/// How often one that stands by looks whether it may lead, and one that leads whether it still holds its lock.
const LOCK_EVERY: Duration = Duration::from_secs(1);
/// How long the connection of the lock may be left unanswered.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);

/// What a process that delivers wants to know.
#[derive(Clone)]
pub struct Config {
    /// The database of the schema `react`. It must not lead through a pooler: locks live on a connection.
    pub url: settings::Secret,
    /// The stores whose events are delivered.
    pub stores: BTreeMap<Context, Store>,
    /// Opens the secrets of subscriptions.
    pub secrets: Secrets,
    /// Sends.
    pub sender: Sender,
    /// When what failed is tried again.
    pub pace: Pace,
    /// Where deliveries say how they are.
    pub readiness: Readiness,
}

/// Delivers until `shutdown`. What is away is waited for; nothing ends it early.
///
/// # Errors
/// If the URL cannot be read.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let settings = PoolSettings::new("handsel webhooks")
        .connections_max(CONNECTIONS_MAX)
        .by_key()
        .idle_in_transaction_max(IDLE_IN_TRANSACTION_MAX);
    session::show_metrics();
    let mut engine = Engine {
        pool: pool_lazy(&config.url, &settings)?,
        readers: config.stores.iter().map(|(context, store)| (*context, store.reader())).collect(),
        heads: Heads::start(&config.stores, &shutdown),
        check: config.readiness.check("webhooks"),
        config,
    };
    while !shutdown.is_cancelled() {
        let stopped = tokio::select! {
            stopped = engine.lead() => stopped,
            () = shutdown.cancelled() => break,
        };
        if let Err(reason) = stopped {
            tracing::warn!(%reason, "Deliveries to webhooks stopped and are tried again: {reason}");
            if reason.needs_person() {
                engine.check.fail(reason.to_string());
            } else {
                engine.check.pass_but(format!("they wait: {reason}"));
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY_STOPPED) => {}
                () = shutdown.cancelled() => break,
            }
        }
    }
    Ok(())
}

pub(super) struct Engine {
    pub(super) config: Config,
    pub(super) pool: PgPool,
    pub(super) readers: BTreeMap<Context, Reader>,
    pub(super) heads: Heads,
    pub(super) check: Check,
}

impl Engine {
    /// Works for as long as this process holds the lock; stands by until then.
    async fn lead(&mut self) -> Result<(), Stopped> {
        let options = PgConnectOptions::from_str(self.config.url.expose())?
            .application_name("handsel webhooks lock")
            .options(ENDS_WITH_ITS_CLIENT);
        let mut lock = answered(ANSWER_WAIT_MAX, PgConnection::connect_with(&options)).await?;
        let take = "select pg_try_advisory_lock($1, hashtext($2))";
        loop {
            let taking = sqlx::query_scalar(take).bind(LOCK_KIND).bind(NAME).fetch_one(&mut lock);
            if answered(ANSWER_WAIT_MAX, taking).await? {
                break;
            }
            self.check.pass();
            tokio::time::sleep(LOCK_EVERY).await;
        }
        let mut session = Session::begin(self).await?;
        let held = async {
            loop {
                tokio::time::sleep(LOCK_EVERY).await;
                if answered(ANSWER_WAIT_MAX, lock.ping()).await.is_err() {
                    return Stopped::Unlocked;
                }
            }
        };
        tokio::select! {
            stopped = session.work(self) => stopped,
            stopped = held => Err(stopped),
        }
    }
}
