//! Runs each policy in one process at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::policies::{POLICIES, Policy};
use event_schemas::Context;
use event_store::{Reader, Store};
use platform::postgres::{PoolSettings, pool_lazy};
use platform::readiness::{Check, Readiness};
use platform::settings::Secret;
use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::effects::{KINDS, Kind};
use crate::heads::Heads;
use crate::lead::Lead;
use crate::mail::Mailer;
use crate::payments::PaymentProvider;
use crate::reading::Stopped;
use crate::sender::Sender;
use crate::session::{self, Session};

/// Half of every lock's key, so that nobody else's advisory locks are met.
const LOCK_KIND: i32 = 0x4853_5243;
const CONNECTIONS_MAX: u32 = 6;
/// How long one that was frozen in a transaction keeps others from leading.
const IDLE_IN_TRANSACTION_MAX: Duration = Duration::from_secs(10);
/// How long a policy that is asked to end may take to store what it has read.
const STORE_AT_END_MAX: Duration = Duration::from_secs(1);
/// How long a policy waits that cannot go on.
const RETRY_STOPPED: Duration = Duration::from_secs(2);

/// The policies of the market, and those whose reactions are effects outside.
pub(crate) fn all_policies() -> impl Iterator<Item = &'static Policy> {
    POLICIES.iter().chain(KINDS.iter().map(|kind| &kind.policy))
}

/// What a process that reacts wants to know.
#[derive(Clone)]
pub struct Config {
    /// The database of the schema `react`. It must not lead through a pooler: locks live on a connection.
    pub url: Secret,
    /// The stores that policies read.
    pub stores: BTreeMap<Context, Store>,
    /// Asks for what follows.
    pub sender: Sender,
    /// Who moves money.
    pub provider: Arc<dyn PaymentProvider>,
    /// Who sends mail.
    pub mailer: Mailer,
    /// Where each policy says how it is.
    pub readiness: Readiness,
}

/// Runs every policy until `shutdown`. What is away is waited for; nothing ends it early.
///
/// # Errors
/// If the URL cannot be read.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let settings = PoolSettings::new("handsel reactor")
        .connections_max(CONNECTIONS_MAX)
        .by_key()
        .idle_in_transaction_max(IDLE_IN_TRANSACTION_MAX);
    let pool = pool_lazy(&config.url, &settings)?;
    let heads = Heads::start(&config.stores, &shutdown);
    let mut tasks = JoinSet::new();
    for policy in all_policies() {
        let engine = Engine {
            policy,
            kind: KINDS.iter().find(|kind| kind.policy.name == policy.name),
            url: config.url.clone(),
            pool: pool.clone(),
            readers: policy.contexts.iter().filter_map(|c| Some((*c, config.stores.get(c)?.reader()))).collect(),
            sender: config.sender.clone(),
            provider: config.provider.clone(),
            mailer: config.mailer.clone(),
            heads: heads.clone(),
            check: config.readiness.check(format!("policy-{}", policy.name)),
            shutdown: shutdown.clone(),
        };
        tasks.spawn(engine.run());
    }
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    Ok(())
}

pub(crate) struct Engine {
    pub(crate) policy: &'static Policy,
    /// Of the policy whose reactions are effects.
    pub(crate) kind: Option<&'static Kind>,
    url: Secret,
    pub(crate) pool: PgPool,
    pub(crate) readers: BTreeMap<Context, Reader>,
    pub(crate) sender: Sender,
    pub(crate) provider: Arc<dyn PaymentProvider>,
    pub(crate) mailer: Mailer,
    pub(crate) heads: Heads,
    pub(crate) check: Check,
    shutdown: CancellationToken,
}

impl Engine {
    async fn run(mut self) {
        let (policy, shutdown) = (self.policy.name, self.shutdown.clone());
        session::show_metrics(policy, self.kind);
        while !shutdown.is_cancelled() {
            let stopped = self.lead().await;
            if shutdown.is_cancelled() {
                return;
            }
            if let Err(Stopped::Settled) = stopped {
                tracing::info!(policy, "Somebody settled what was parked; reading it again");
            } else if let Err(reason) = stopped {
                tracing::warn!(policy, %reason, "The policy stopped and tries again: {reason}");
                if reason.needs_person() {
                    self.check.fail(reason.to_string());
                } else {
                    self.check.pass_but(format!("it waits: {reason}"));
                }
                tokio::select! {
                    () = tokio::time::sleep(RETRY_STOPPED) => {}
                    () = shutdown.cancelled() => return,
                }
            }
        }
    }

    /// Works for as long as this process holds the policy's lock; stands by until then.
    async fn lead(&mut self) -> Result<(), Stopped> {
        let shutdown = self.shutdown.clone();
        let Some(begun) = shutdown.run_until_cancelled(self.begin()).await else { return Ok(()) };
        let (mut lead, mut session) = begun?;
        tokio::select! {
            stopped = session.work(self) => return stopped,
            stopped = lead.lost() => return Err(stopped),
            () = shutdown.cancelled() => {}
        }
        // Whoever takes over, also with a newer version of the policy, then begins where this one ended.
        tokio::time::timeout(STORE_AT_END_MAX, session.store(self)).await.unwrap_or(Ok(()))
    }

    async fn begin(&self) -> Result<(Lead, Session), Stopped> {
        let lock = (LOCK_KIND, self.policy.name);
        let lead = Lead::take(&self.url, "handsel reactor lock", lock, &self.check).await?;
        tracing::info!(policy = self.policy.name, "The policy runs here");
        Ok((lead, Session::begin(self).await?))
    }
}
