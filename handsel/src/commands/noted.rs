//! The database in which policies note what they do, for commands that work on it.

use platform::postgres::{PoolSettings, pool};
use sqlx::PgPool;

use crate::instance::Instance;
use crate::settings::Settings;

/// Does something there, as `name` in the list of connections. Servers that were started for it end with it.
///
/// # Errors
/// What `work` says; or the database is away, or not of this version.
pub(super) async fn with<T>(
    settings: &Settings,
    name: &str,
    work: impl AsyncFnOnce(&PgPool) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let (instance, servers) = Instance::attach(settings.clone()).await?;
    let one = PoolSettings::new(name).connections_max(1);
    let done = async {
        let views = pool(&instance.urls.views, &one).await?;
        reactors::check_version(&views).await?;
        work(&views).await
    };
    let done = done.await;
    servers.stop().await?;
    done
}
