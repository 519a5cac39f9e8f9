//! `handsel status`

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use event_schemas::Context;
use event_store::{Store, StoreError};
use platform::kafka::{client_config, topics};
use platform::postgres::{PoolSettings, pool};

use crate::failure;
use crate::instance::{Instance, Running};
use crate::migrate::store_config;
use crate::output;
use crate::settings::Settings;

/// How long the broker may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Shows where everything is, how many events each store has, how far they are published, and how every read model is.
/// What is away is named, the rest is shown, and the exit code is 1.
#[derive(Args, Debug)]
pub struct Status {
    #[command(flatten)]
    settings: Settings,
}

impl Status {
    /// Shows.
    ///
    /// # Errors
    /// If there is no instance, or its embedded Postgres cannot be started.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let running = Running::read(&self.settings.data.directory()).ok().filter(Running::is_alive);
        let (instance, servers) = Instance::attach(self.settings).await?;
        let shown = show(&instance, running).await;
        servers.stop().await?;
        Ok(if shown? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// `false` if a part is away.
async fn show(instance: &Instance, running: Option<Running>) -> anyhow::Result<bool> {
    output::line(match running {
        Some(running) => {
            format!("`handsel up` runs as process {}: {}  admin: {}", running.pid, running.url, running.admin_url)
        }
        None => "no `handsel up` runs on this data folder".to_owned(),
    })?;
    let mut notes = Notes::default();
    output::line("")?;
    output::table(&stores(instance, &mut notes).await)?;
    output::line("")?;
    match read_models(instance).await {
        Ok(rows) => output::table(&rows)?,
        Err(error) => notes.away.push(format!("the read models: {}", failure::one_line(&error))),
    }
    if let Some(reason) = broker(instance).await {
        notes.away.push(reason);
    }
    notes.waiting.iter().try_for_each(output::line)?;
    notes.away.iter().try_for_each(|part| output::line(format!("AWAY {part}")))?;
    if !notes.away.is_empty() {
        output::line("`handsel doctor` says more, and what to do")?;
    }
    Ok(notes.away.is_empty())
}

/// What stands below the tables.
#[derive(Default)]
struct Notes {
    waiting: Vec<String>,
    away: Vec<String>,
}

async fn stores(instance: &Instance, notes: &mut Notes) -> Vec<Vec<String>> {
    let mut rows = vec![["store", "events", "published", "history"].map(str::to_owned).to_vec()];
    for context in Context::ALL {
        let row = store(instance, context, notes).await.unwrap_or_else(|error| {
            notes.away.push(format!("the store `{context}`: {error}"));
            ["-"; 3].map(str::to_owned)
        });
        rows.push([vec![context.to_string()], row.to_vec()].concat());
    }
    rows
}

async fn store(instance: &Instance, context: Context, notes: &mut Notes) -> Result<[String; 3], StoreError> {
    let store = Store::open(store_config(&instance.urls, context)).await?;
    let (vitals, relay) = (store.vitals().await?, store.reader().relay_row().await?);
    let waiting = vitals.head.get() - relay.as_ref().map_or(0, |relay| relay.checkpoint.get());
    if waiting > 0 && vitals.relay.is_none() {
        notes.waiting.push(format!("{waiting} events of `{context}` wait to be published, and no relay leads"));
    }
    let published = relay.map_or_else(|| "never".to_owned(), |relay| relay.checkpoint.to_string());
    Ok([vitals.head.to_string(), published, vitals.history.to_string()])
}

/// Why the broker is away.
async fn broker(instance: &Instance) -> Option<String> {
    let brokers = instance.kafka.brokers.as_ref()?;
    let reason = match client_config(&instance.kafka) {
        Err(error) => error.to_string(),
        Ok(config) => match tokio::time::timeout(ANSWER_MAX, topics::plan(&config, &[])).await {
            Ok(Ok(_)) => return None,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it does not answer within {} s", ANSWER_MAX.as_secs()),
        },
    };
    Some(format!("Kafka at {brokers}: {reason}; commands go on, and events are published when it is back"))
}

async fn read_models(instance: &Instance) -> anyhow::Result<Vec<Vec<String>>> {
    let views = pool(&instance.urls.views, &PoolSettings::new("handsel status").connections_max(1)).await?;
    let heading = ["read model", "version", "generation", "lag events", "lag seconds", "parked", "state"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    for status in projectors::status(&views).await? {
        let state =
            if status.followers.is_empty() { "nobody follows it".to_owned() } else { status.followers.join("; ") };
        rows.push(vec![
            status.projection.to_owned(),
            or_dash(status.version.map(|version| version.to_string())),
            or_dash(status.generation.map(|generation| generation.to_string())),
            or_dash(status.lag.map(|lag| lag.events.to_string())),
            or_dash(status.lag.map(|lag| format!("{:.1}", lag.seconds))),
            status.parked.to_string(),
            state,
        ]);
    }
    Ok(rows)
}
