//! Delivers in one process at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use envelope::Position;
use event_schemas::Context;
use event_store::{Reader, Store};
use platform::postgres::{PoolSettings, pool_lazy};
use platform::readiness::{Check, Readiness};
use platform::settings;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::pace::Pace;
use super::secret::Secrets;
use super::send::Sender;
use super::session::{self, Session};
use crate::heads::Heads;
use crate::lead::Lead;
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
        heads: None,
        shutdown: shutdown.clone(),
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
    /// The ends of the stores, from the first subscription on.
    heads: Option<Heads>,
    pub(super) check: Check,
    shutdown: CancellationToken,
}

impl Engine {
    /// Somebody wants to hear of events: from now on the stores are asked whether there are any.
    pub(super) fn watch(&mut self) {
        if self.heads.is_none() {
            self.heads = Some(Heads::start(&self.config.stores, &self.shutdown));
        }
    }

    /// The newest position of a store, as far as it is known.
    pub(super) fn newest(&self, context: Context) -> Position {
        self.heads.as_ref().map(|heads| heads.newest(context)).unwrap_or_default()
    }

    /// Returns when a store has grown.
    pub(super) async fn grown(&mut self) {
        match &mut self.heads {
            Some(heads) => heads.grown(&Context::ALL).await,
            None => std::future::pending().await,
        }
    }

    /// Works for as long as this process holds the lock; stands by until then.
    async fn lead(&mut self) -> Result<(), Stopped> {
        let lock = (LOCK_KIND, NAME);
        let mut lead = Lead::take(&self.config.url, "handsel webhooks lock", lock, &self.check).await?;
        let mut session = Session::begin(self).await?;
        tokio::select! {
            stopped = session.work(self) => stopped,
            stopped = lead.lost() => Err(stopped),
        }
    }
}
