//! Composes roles into a process. `up` is all of them, a role alone is one: the code is the same.

mod api;
mod appender;
mod projector;
mod reactor;
mod relay;
mod search;
mod sockets;

use std::collections::BTreeSet;
use std::time::Duration;

use platform::admin;
use platform::metrics;
use platform::progress::Progress;
use platform::readiness::Readiness;
use platform::settings::{HttpSettings, ReadsSettings, SearchSettings};
use platform::shutdown::{Parts, Shutdown};

use sockets::Listeners;
pub use sockets::Sockets;

use crate::instance::Instance;
use crate::spine::Spine;

/// What a process can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes commands.
    CommandApi,
    /// Answers queries.
    QueryApi,
    /// Carries events to Kafka.
    Relay,
    /// Keeps the read models.
    Projector,
    /// Does what follows from events.
    Reactor,
    /// Keeps the search index and answers the query API from it.
    Search,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::CommandApi, Self::QueryApi, Self::Relay, Self::Projector, Self::Reactor, Self::Search];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CommandApi => "command-api",
            Self::QueryApi => "query-api",
            Self::Relay => "relay",
            Self::Projector => "projector",
            Self::Reactor => "reactor",
            Self::Search => "search",
        }
    }

    /// Whether it listens for callers.
    #[must_use]
    pub const fn answers_http(self) -> bool {
        matches!(self, Self::CommandApi | Self::QueryApi)
    }

    /// Whether it listens for the query API.
    #[must_use]
    pub const fn answers_searches(self) -> bool {
        matches!(self, Self::Search)
    }

    /// Whether it cannot do without Kafka. A projector can: it reads the stores, with more delay.
    #[must_use]
    pub const fn needs_kafka(self) -> bool {
        matches!(self, Self::Relay)
    }
}

/// Which roles, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The roles of this process.
    pub roles: Vec<Role>,
    /// Topics of a broker that forgets are filled from the first event on.
    pub full_topics: bool,
    /// The read models to keep; `None`: all.
    pub only: Option<Vec<String>>,
    /// The partitions to follow; `None`: whatever is free.
    pub partitions: Option<BTreeSet<i32>>,
    /// How to answer HTTP.
    pub http: HttpSettings,
    /// How to search.
    pub search: SearchSettings,
    /// What to keep of what was read.
    pub reads: ReadsSettings,
}

impl Plan {
    /// Whether the process has this role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

/// What the roles of one process share.
pub(crate) struct Process<'a> {
    pub(crate) instance: &'a Instance,
    pub(crate) spine: &'a Spine,
    pub(crate) plan: &'a Plan,
    pub(crate) progress: Progress,
    /// Where the role `search` answers.
    pub(crate) search_url: String,
    pub(crate) readiness: Readiness,
    pub(crate) shutdown: Shutdown,
}

/// Roles that run.
#[derive(Debug)]
pub struct Started {
    parts: Parts,
    readiness: Readiness,
    shutdown: Shutdown,
}

/// Starts the roles of a plan on an instance that was migrated.
///
/// # Errors
/// If a role cannot begin.
pub async fn start(
    instance: &Instance,
    spine: &Spine,
    plan: Plan,
    sockets: Sockets,
    shutdown: Shutdown,
) -> anyhow::Result<Started> {
    // What is measured before the recorder is there is lost.
    let measured = metrics::install()?;
    let readiness = Readiness::new();
    let process = Process {
        instance,
        spine,
        plan: &plan,
        progress: Progress::default(),
        search_url: plan.search.url(sockets.search_address()),
        readiness: readiness.clone(),
        shutdown: shutdown.clone(),
    };
    let mut parts = Parts::new(shutdown.clone());
    for (name, database) in spine.watched() {
        let watched = platform::postgres::watch(database, readiness.check(name), shutdown.clone());
        parts.spawn(name, async move {
            watched.await;
            Ok(())
        });
    }
    // Who hands over subscribes before anything is appended.
    if plan.has(Role::Relay) {
        relay::start(&process, &mut parts)?;
    }
    if plan.has(Role::CommandApi) || plan.has(Role::Reactor) {
        appender::start(&process, &mut parts);
    }
    if plan.has(Role::Projector) {
        projector::start(&process, &mut parts)?;
    }
    if plan.has(Role::Reactor) {
        reactor::start(&process, &mut parts)?;
    }
    let Listeners { api, search, admin: admin_listener } = sockets.into_listeners();
    let search = search.map(|listener| search::start(&process, listener, &mut parts)).transpose()?;
    if let Some(listener) = api {
        api::start(&process, listener, search, &mut parts)?;
    }
    let (seen, end) = (readiness.clone(), shutdown.clone());
    parts.attend("admin", async move { Ok(admin::serve(admin_listener, seen, measured, end).await?) });
    readiness.started();
    Ok(Started { parts, readiness, shutdown })
}

impl Started {
    /// Which parts are ready.
    #[must_use]
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Begins and ends the end.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Runs until the end begins, then lets every part save what it holds.
    ///
    /// # Errors
    /// The first failure of a part.
    pub async fn run(self, drain_max: Duration) -> anyhow::Result<()> {
        self.parts.run(drain_max).await
    }
}
