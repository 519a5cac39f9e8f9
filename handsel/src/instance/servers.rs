//! What came along with an `up` or a command and ends with it.

use std::time::Duration;

use platform::data_dir::DataDir;
use platform::settings::Secret;

use super::embedded::Embedded;
use crate::settings::Settings;

/// How long servers may take to stop where nobody waits for more than them.
const STOP_MAX: Duration = Duration::from_secs(6);

/// Servers that came along. The data folder stays locked until its Postgres is down.
#[derive(Debug, Default)]
#[must_use = "servers that are dropped are not waited for"]
pub struct Servers {
    embedded: Embedded,
    data: Option<DataDir>,
}

impl Servers {
    /// Starts the Postgres of the data folder and says where it is.
    pub(crate) async fn start_postgres(&mut self, settings: &Settings, data: &DataDir) -> anyhow::Result<Secret> {
        self.embedded.start_postgres(settings, data).await
    }

    /// Starts the broker and says where it is.
    pub(super) async fn start_broker(&mut self, settings: &Settings) -> anyhow::Result<String> {
        self.embedded.start_broker(settings).await
    }

    /// Keeps the data folder locked.
    pub(crate) fn hold(&mut self, data: DataDir) {
        self.data = Some(data);
    }

    /// Waits until the embedded Postgres ends by itself, which it should not; for ever if there is none.
    pub async fn ended(&mut self) -> anyhow::Error {
        self.embedded.ended().await
    }

    /// Stops what came along, Postgres last.
    ///
    /// # Errors
    /// If one does not stop.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop_within(STOP_MAX).await
    }

    /// The same where less time is left: then Postgres is stopped at once, and replays its log at the next start.
    ///
    /// # Errors
    /// As [`Servers::stop`].
    pub async fn stop_within(self, max: Duration) -> anyhow::Result<()> {
        let Self { embedded, data } = self;
        embedded.stop_within(max).await?;
        drop(data);
        Ok(())
    }
}
