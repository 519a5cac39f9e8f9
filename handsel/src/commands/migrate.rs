//! `handsel migrate`

use std::process::ExitCode;

use clap::Args;

use crate::instance::Instance;
use crate::settings::Settings;
use crate::{migrate, output};

/// Makes or updates every schema, and the topics if there is a Kafka. Doing it again changes nothing.
#[derive(Args, Debug)]
pub struct Migrate {
    /// Grant this role what the event stores in service need, and nothing more: it may append events and change none.
    /// Command APIs and relays can connect as this role; migrating stays with the role of the URL.
    #[arg(long, env = "HANDSEL_GRANT", value_name = "ROLE")]
    grant: Option<String>,

    #[command(flatten)]
    settings: Settings,
}

impl Migrate {
    /// Migrates.
    ///
    /// # Errors
    /// If a server is away or refuses, or a newer version of the program has been here.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (instance, servers) = Instance::attach(self.settings).await?;
        let migrated = async {
            migrate::databases(&instance.urls).await?;
            if let Some(role) = &self.grant {
                migrate::grant(&instance.urls, role).await?;
            }
            migrate::topics(&instance).await
        };
        let plan = migrated.await;
        let kafka = instance.kafka.brokers.is_some();
        servers.stop().await?;
        let plan = plan?;
        output::line("databases: up to date")?;
        match (kafka, plan.is_empty()) {
            (false, _) => output::line("topics: no KAFKA_BROKERS, left alone")?,
            (true, true) => output::line("topics: as declared")?,
            (true, false) => output::line(plan.trim_end())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
