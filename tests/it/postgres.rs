//! Connections to Postgres over a network that fails without saying so.

use platform::postgres::{PoolSettings, pool, watch};
use platform::readiness::Readiness;
use platform::settings::Secret;
use platform::shutdown::Shutdown;
use tests::{ETA_MAX, Proxy, until};

#[tokio::test]
async fn a_network_that_swallows_everything_shows_in_readiness_until_it_is_mended() {
    let database = tests::empty_database().await;
    let proxy = Proxy::before(database.url()).await;
    // One connection: it must not be waited for after it was lost.
    let settings = PoolSettings::new("watched").connections_max(1);
    let watched = pool(&Secret::new(proxy.url()), &settings).await.unwrap();
    let (readiness, shutdown) = (Readiness::new(), Shutdown::new());
    readiness.started();
    let watching = tokio::spawn(watch(watched, readiness.check("postgres"), shutdown.clone()));
    until("it is ready", ETA_MAX, async || readiness.is_ready()).await;
    proxy.swallow();
    until("it is not ready", ETA_MAX, async || !readiness.is_ready()).await;
    proxy.mend();
    until("it is ready again", ETA_MAX, async || readiness.is_ready()).await;
    shutdown.begin();
    watching.await.unwrap();
}
