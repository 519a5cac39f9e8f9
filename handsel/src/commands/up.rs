//! `handsel up`: everything in one process.

mod demo;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use event_schemas::Context;
use platform::kafka::topics::TopicsError;
use platform::settings::{HttpSettings, Secret};
use platform::shutdown::{DRAIN_MAX, Shutdown};
use platform::telemetry::{self, FLUSH_MAX, LogTo};

use crate::instance::{Instance, Running, Urls};
use crate::roles::{self, Plan, Role};
use crate::settings::ServerSettings;
use crate::spine::Spine;
use crate::{migrate, output};

/// From so many events on, an embedded broker that keeps everything in memory is the wrong one.
const EMBEDDED_BROKER_EVENTS_MAX: i64 = 1_000_000;
const BROKER_LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long a start waits for a Kafka before it goes on without.
const BROKER_WAIT_MAX: Duration = Duration::from_secs(5);
/// Also where parts took all the time there was, Postgres gets so much to stop.
const STOP_MIN: Duration = Duration::from_millis(500);

/// Starts every role in one process and prints where it is.
///
/// Postgres and a Kafka-speaking broker come along unless DATABASE_URL and KAFKA_BROKERS name others. Everything that
/// must survive lies in the data folder. SIGTERM or Ctrl-C drains and ends it.
#[derive(Args, Clone, Debug)]
pub struct Up {
    #[command(flatten)]
    server: ServerSettings,

    /// Fill the topics of the embedded broker from the first event on after each start. Without it they begin at the
    /// newest event, and views read what they lack from the stores.
    #[arg(long, env = "HANDSEL_FULL_TOPICS", help_heading = "Start")]
    full_topics: bool,

    /// Make a market to look at if nothing ever happened here, behind, after the start. [default: no; yes where no
    /// command is given and Postgres comes along]
    #[arg(long, env = "HANDSEL_DEMO", value_name = "BOOL", help_heading = "Start",
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    demo: Option<bool>,
}

impl Up {
    /// As it is meant where no command was given: whoever only wants to look finds something. In a database that was
    /// named, nothing is made that was not asked for.
    #[must_use]
    pub fn to_look_at(mut self) -> Self {
        let database = &self.server.common.database;
        let comes_along = database.database_url.is_none() && database.database_url_file.is_none();
        self.demo = self.demo.or(Some(comes_along));
        self
    }

    /// Whether a market is to be made.
    #[must_use]
    pub fn with_demo(&self) -> bool {
        self.demo.unwrap_or_default()
    }

    /// Runs until a signal.
    ///
    /// # Errors
    /// Why it could not start or go on.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let _telemetry = telemetry::init("handsel", env!("CARGO_PKG_VERSION"), LogTo::Stderr)?;
        let shutdown = Shutdown::on_signals()?;
        // A port in use is the most frequent trouble: it is found before anything is started.
        let sockets = roles::Sockets::open(&self.server.http, true).await?;
        // Only this process asks there, so any port will do.
        let sockets = sockets.with_search(&self.server.search, 0).await?;
        let (instance, mut servers) = tokio::select! {
            started = Instance::start(self.server.common.clone()) => started?,
            () = shutdown.begun() => return Ok(ExitCode::SUCCESS),
        };
        let ended = tokio::select! {
            ended = self.run_on(&instance, sockets, shutdown.clone()) => ended,
            error = servers.ended() => Err(error),
        };
        let stopped = servers.stop_within(shutdown.left().saturating_sub(FLUSH_MAX).max(STOP_MIN)).await;
        ended.and(stopped).map(|()| ExitCode::SUCCESS)
    }

    async fn run_on(&self, instance: &Instance, sockets: roles::Sockets, shutdown: Shutdown) -> anyhow::Result<()> {
        let spine = tokio::select! {
            prepared = prepare(instance) => prepared?,
            () = shutdown.begun() => return Ok(()),
        };
        let plan = Plan {
            roles: Role::ALL.to_vec(),
            full_topics: self.full_topics,
            only: None,
            partitions: None,
            http: self.server.http.clone(),
            search: self.server.search.clone(),
            reads: self.server.reads.clone(),
        };
        let note = running(instance, &sockets, &self.server.http);
        let _note = note.write(&instance.settings.data.directory())?;
        let started = roles::start(instance, &spine, plan, sockets, shutdown.clone()).await?;
        if !shutdown.has_begun() {
            announce(instance, &note)?;
            if self.with_demo() {
                tokio::spawn(demo::run(note.url.clone(), spine.clone(), shutdown.clone()));
            }
        }
        if instance.embedded_broker {
            tokio::spawn(watch_broker(spine, shutdown));
        }
        started.run(DRAIN_MAX).await
    }
}

/// Schemas and topics as this version wants them, and the databases open. A broker that is away is no reason to refuse
/// commands: the relay declares its topics itself when it finds one.
async fn prepare(instance: &Instance) -> anyhow::Result<Spine> {
    migrate::databases(&instance.urls).await?;
    let away = match tokio::time::timeout(BROKER_WAIT_MAX, migrate::topics(instance)).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) if matches!(error.downcast_ref(), Some(TopicsError::Unavailable(_))) => Some(error.to_string()),
        Ok(Err(error)) => return Err(error),
        Err(_) => Some(format!("no answer within {} s", BROKER_WAIT_MAX.as_secs())),
    };
    if let Some(reason) = away {
        tracing::warn!(%reason, "Starting without Kafka, events are published when it is there: {reason}");
    }
    Spine::open(instance, &Context::ALL).await
}

fn running(instance: &Instance, sockets: &roles::Sockets, http: &HttpSettings) -> Running {
    // What listens everywhere is reached through loopback here.
    let host = if http.host.is_unspecified() { "127.0.0.1".to_owned() } else { http.host.to_string() };
    let url = |port: u16| format!("http://{host}:{port}");
    let Urls { stores, keys, views } = &instance.urls;
    let store_url = |(context, url): (&Context, &Secret)| (context.to_string(), url.expose().to_owned());
    Running {
        pid: std::process::id(),
        url: url(sockets.api_port()),
        admin_url: url(sockets.admin_port()),
        database_url: instance.database_url().expose().to_owned(),
        store_urls: stores.iter().map(store_url).collect(),
        keys_url: Some(keys.expose().to_owned()),
        views_url: Some(views.expose().to_owned()),
        kafka_brokers: instance.kafka.brokers.clone(),
        embedded_broker: instance.embedded_broker,
        topic_prefix: instance.settings.topics.topic_prefix.clone(),
    }
}

/// What somebody who starts this for the first time wants to know.
fn announce(instance: &Instance, note: &Running) -> anyhow::Result<()> {
    let Running { url, admin_url, .. } = note;
    let folder = instance.settings.data.directory();
    let kafka = instance.kafka.brokers.as_deref().unwrap_or_default();
    let forgets = if instance.embedded_broker { " (embedded: in memory, forgets at exit)" } else { "" };
    let postgres = if instance.settings.database.url()?.is_some() {
        "as DATABASE_URL says"
    } else {
        "embedded, in the data folder"
    };
    output::line(format!(
        "Handsel is up.

  API       {url}/v1        documentation: {url}/docs
  Admin     {admin_url}/readyz?verbose        metrics: {admin_url}/metrics
  Kafka     {kafka}{forgets}
  Postgres  {postgres}
  Data      {}

Try:
  curl {url}/v1/sales/summary
  curl -X POST {url}/v1/accounts -H 'content-type: application/json' -H 'idempotency-key: \"{}\"' \\
       -d '{{\"name\":\"Ana\",\"email\":\"ana@example.org\"}}'
  curl '{url}/v1/events?limit=5'
",
        folder.display(),
        uuid::Uuid::new_v4(),
    ))
}

async fn watch_broker(spine: Spine, shutdown: Shutdown) {
    loop {
        let mut events = 0;
        for store in spine.stores.values() {
            events += store.reader().head().await.map_or(0, |head| head.position.get());
        }
        if events >= EMBEDDED_BROKER_EVENTS_MAX {
            tracing::warn!(
                events,
                "{events} events are stored: the embedded broker keeps topics in memory and forgets them at exit. \
                 It is time for a Kafka of its own: set KAFKA_BROKERS"
            );
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(BROKER_LOOK_EVERY) => {}
            () = shutdown.begun() => return,
        }
    }
}
