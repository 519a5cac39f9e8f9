//! `handsel status`

use std::process::ExitCode;

use clap::Args;
use event_schemas::Context;
use event_store::Store;
use platform::postgres::{PoolSettings, pool};

use crate::instance::{Instance, Running};
use crate::migrate::store_config;
use crate::output;
use crate::settings::Settings;

/// Shows where everything is, how many events each store has, how far they are published, and how every read model is.
#[derive(Args, Debug)]
pub struct Status {
    #[command(flatten)]
    settings: Settings,
}

impl Status {
    /// Shows.
    ///
    /// # Errors
    /// If a database is away.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let running = Running::read(&self.settings.data.directory()).ok().filter(Running::is_alive);
        let (instance, servers) = Instance::attach(self.settings).await?;
        let shown = show(&instance, running).await;
        servers.stop().await?;
        shown.map(|()| ExitCode::SUCCESS)
    }
}

async fn show(instance: &Instance, running: Option<Running>) -> anyhow::Result<()> {
    output::line(match running {
        Some(running) => {
            format!("`handsel up` runs as process {}: {}  admin: {}", running.pid, running.url, running.admin_url)
        }
        None => "no `handsel up` runs on this data folder".to_owned(),
    })?;
    output::line("")?;
    output::table(&stores(instance).await?)?;
    output::line("")?;
    output::table(&read_models(instance).await?)
}

async fn stores(instance: &Instance) -> anyhow::Result<Vec<Vec<String>>> {
    let mut rows = vec![["store", "events", "published", "history"].map(str::to_owned).to_vec()];
    for context in Context::ALL {
        let store = Store::open(store_config(&instance.urls, context)).await?;
        let (head, relay) = (store.reader().head().await?, store.reader().relay_row().await?);
        let published = relay.map_or_else(|| "never".to_owned(), |relay| relay.checkpoint.to_string());
        rows.push(vec![context.to_string(), head.position.to_string(), published, head.history.to_string()]);
    }
    Ok(rows)
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
