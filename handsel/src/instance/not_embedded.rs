//! A program that was built without servers of its own says so when it is asked for them.

use std::future::{Ready, ready};
use std::time::Duration;

use platform::data_dir::DataDir;
use platform::settings::Secret;

use crate::settings::Settings;

#[derive(Debug, Default)]
pub(super) struct Embedded;

impl Embedded {
    pub(super) fn start_postgres(&mut self, _: &Settings, _: &DataDir) -> Ready<anyhow::Result<Secret>> {
        ready(Err(lacking("Postgres", "DATABASE_URL")))
    }

    pub(super) fn start_broker(&mut self, _: &Settings) -> Ready<anyhow::Result<String>> {
        ready(Err(lacking("broker", "KAFKA_BROKERS")))
    }

    pub(super) async fn ended(&mut self) -> anyhow::Error {
        std::future::pending().await
    }

    pub(super) fn stop_within(self, _: Duration) -> Ready<anyhow::Result<()>> {
        ready(Ok(()))
    }
}

fn lacking(server: &str, setting: &str) -> anyhow::Error {
    anyhow::anyhow!("this build brings no {server} along (cargo feature `embedded`): set {setting}")
}
