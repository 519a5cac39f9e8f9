//! The roles alone: the same code as in `up`, on databases and a Kafka that were given.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use event_schemas::Context;
use platform::settings::SEARCH_PORT;
use platform::shutdown::{DRAIN_MAX, Shutdown};
use platform::telemetry::{self, LogTo};

use crate::instance::Instance;
use crate::roles::{self, Plan, Role, Sockets};
use crate::settings::{ServerSettings, Settings};
use crate::spine::{Needs, Spine};

/// Takes commands over HTTP and appends events.
#[derive(Args, Clone, Debug)]
pub struct CommandApi {
    #[command(flatten)]
    server: ServerSettings,
    #[command(flatten)]
    contexts: Contexts,

    /// Leave the relay of these contexts to another process.
    #[arg(long, env = "HANDSEL_WITHOUT_RELAY")]
    without_relay: bool,
}

/// Answers queries over HTTP from the read models, and needs no other database until somebody follows events.
#[derive(Args, Clone, Debug)]
pub struct QueryApi {
    #[command(flatten)]
    server: ServerSettings,
    #[command(flatten)]
    contexts: Contexts,
}

/// Carries events from the stores to Kafka. Several may run: one leads each store, the others wait.
#[derive(Args, Clone, Debug)]
pub struct Relay {
    #[command(flatten)]
    server: ServerSettings,
    #[command(flatten)]
    contexts: Contexts,
}

/// Keeps the read models. Several may run: each partition is followed by one of them, and free ones are taken by
/// whoever comes first. With `--partitions` they share the work; without, the second stands by.
#[derive(Args, Clone, Debug)]
pub struct Projector {
    #[command(flatten)]
    server: ServerSettings,
    #[command(flatten)]
    contexts: Contexts,

    /// Keep only these read models. [default: all that read nothing but the contexts]
    #[arg(long, env = "HANDSEL_ONLY", value_name = "NAME,…", value_delimiter = ',')]
    only: Option<Vec<String>>,

    /// Follow only these partitions: `0-2` or `1,4`. [default: whatever is free]
    #[arg(long, env = "HANDSEL_PARTITIONS", value_name = "LIST", value_parser = partitions)]
    partitions: Option<BTreeSet<i32>>,
}

/// Does what follows from events: runs policies and their timers, and delivers webhooks. Several may run: one leads
/// each policy, the others stand by. It appends events itself, so it needs the stores of all contexts.
#[derive(Args, Clone, Debug)]
pub struct Reactor {
    #[command(flatten)]
    server: ServerSettings,
}

/// Keeps the search index of products and answers the query API from it. Several may run, each with an index of its
/// own.
#[derive(Args, Clone, Debug)]
pub struct Search {
    #[command(flatten)]
    server: ServerSettings,
}

/// For which contexts a role works.
#[derive(Args, Clone, Debug)]
struct Contexts {
    /// Work for these contexts only. [default: all]
    #[arg(long, env = "HANDSEL_CONTEXTS", value_name = "NAME,…", value_delimiter = ',')]
    contexts: Option<Vec<Context>>,
}

impl Contexts {
    fn chosen(&self) -> Vec<Context> {
        self.contexts.clone().unwrap_or_else(|| Context::ALL.to_vec())
    }
}

impl CommandApi {
    /// Runs until a signal.
    ///
    /// # Errors
    /// Why it could not start or go on.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut roles = vec![Role::CommandApi];
        // The relay belongs where the appender is: it is handed over what was just committed.
        if !self.without_relay {
            roles.push(Role::Relay);
        }
        alone("command-api", &self.server, &self.contexts.chosen(), plan(roles, &self.server)).await
    }
}

impl QueryApi {
    /// Runs until a signal.
    ///
    /// # Errors
    /// Why it could not start or go on.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        alone("query-api", &self.server, &self.contexts.chosen(), plan(vec![Role::QueryApi], &self.server)).await
    }
}

impl Relay {
    /// Runs until a signal.
    ///
    /// # Errors
    /// Why it could not start or go on.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        alone("relay", &self.server, &self.contexts.chosen(), plan(vec![Role::Relay], &self.server)).await
    }
}

impl Projector {
    /// Runs until a signal.
    ///
    /// # Errors
    /// Why it could not start or go on.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let plan = Plan {
            only: self.only.clone(),
            partitions: self.partitions.clone(),
            ..plan(vec![Role::Projector], &self.server)
        };
        alone("projector", &self.server, &self.contexts.chosen(), plan).await
    }
}

impl Reactor {
    /// Runs until a signal.
    ///
    /// # Errors
    /// Why it could not start or go on.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        alone("reactor", &self.server, &Context::ALL, plan(vec![Role::Reactor], &self.server)).await
    }
}

impl Search {
    /// Runs until a signal.
    ///
    /// # Errors
    /// Why it could not start or go on.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        alone("search", &self.server, &[search::follower::CONTEXT], plan(vec![Role::Search], &self.server)).await
    }
}

fn plan(roles: Vec<Role>, server: &ServerSettings) -> Plan {
    let (http, search, reads) = (server.http.clone(), server.search.clone(), server.reads.clone());
    Plan { roles, full_topics: false, only: None, partitions: None, http, search, reads }
}

async fn alone(
    service: &'static str,
    server: &ServerSettings,
    contexts: &[Context],
    plan: Plan,
) -> anyhow::Result<ExitCode> {
    let _telemetry = telemetry::init(service, env!("CARGO_PKG_VERSION"), LogTo::Stdout)?;
    let shutdown = Shutdown::on_signals()?;
    let settings: Settings = server.common.clone();
    let mut sockets = Sockets::open(&server.http, plan.roles.iter().any(|role| role.answers_http())).await?;
    if plan.roles.iter().any(|role| role.answers_searches()) {
        sockets = sockets.with_search(&server.search, SEARCH_PORT).await?;
    }
    let instance = Instance::given(settings, &plan.roles)?;
    let spine = tokio::select! {
        opened = Spine::open_parts(&instance, contexts, Needs::of(&plan.roles)) => opened?,
        () = shutdown.begun() => return Ok(ExitCode::SUCCESS),
    };
    let text = |address: Option<SocketAddr>| address.map(|address| address.to_string());
    let (api, search) = (text(sockets.api_address()), text(sockets.search_address()));
    let admin = sockets.admin_address();
    tracing::info!(api, search, %admin, "The role `{service}` begins; its admin listener is at {admin}");
    roles::start(&instance, &spine, plan, sockets, shutdown).await?.run(DRAIN_MAX).await?;
    Ok(ExitCode::SUCCESS)
}

fn partitions(text: &str) -> Result<BTreeSet<i32>, String> {
    let bad = |_| format!("`{text}` is no list of partitions; write for example 0-2 or 1,4");
    let mut chosen = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        chosen.extend(first.trim().parse::<i32>().map_err(bad)?..=last.trim().parse::<i32>().map_err(bad)?);
    }
    Ok(chosen)
}
