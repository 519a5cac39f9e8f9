//! The Postgres and the broker that the program brings along.

use std::time::Duration;

use platform::data_dir::DataDir;
use platform::embedded::broker::EmbeddedBroker;
use platform::embedded::postgres::{EmbeddedPostgres, PostgresOptions};
use platform::settings::Secret;

use crate::settings::Settings;

#[derive(Debug, Default)]
pub(super) struct Embedded {
    broker: Option<EmbeddedBroker>,
    postgres: Option<EmbeddedPostgres>,
}

impl Embedded {
    pub(super) async fn start_postgres(&mut self, settings: &Settings, data: &DataDir) -> anyhow::Result<Secret> {
        let options = PostgresOptions::from_settings(data.path(), &settings.embedded);
        let postgres = EmbeddedPostgres::start(&options).await?;
        let url = postgres.url().clone();
        self.postgres = Some(postgres);
        Ok(url)
    }

    pub(super) async fn start_broker(&mut self, settings: &Settings) -> anyhow::Result<String> {
        let address = ([127, 0, 0, 1], settings.embedded.broker_port).into();
        let broker = EmbeddedBroker::start(address).await?;
        let address = broker.address().to_string();
        self.broker = Some(broker);
        Ok(address)
    }

    pub(super) async fn ended(&mut self) -> anyhow::Error {
        match &mut self.postgres {
            Some(postgres) => postgres.ended().await.into(),
            None => std::future::pending().await,
        }
    }

    pub(super) async fn stop_within(self, max: Duration) -> anyhow::Result<()> {
        if let Some(broker) = self.broker {
            broker.stop().await;
        }
        if let Some(postgres) = self.postgres {
            postgres.stop_within(max).await?;
        }
        Ok(())
    }
}
