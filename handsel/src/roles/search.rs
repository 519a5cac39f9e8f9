//! The role that keeps the search index and answers the query API from it.

use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::serve::ListenerExt as _;
use platform::http::{EdgeSettings, edge};
use platform::shutdown::Parts;
use search::follower::{CONTEXT, Config, Slot};
use search::server::Served;
use tokio::net::TcpListener;

use super::{Process, Role};

/// The folder of the index below that of all of them.
const INDEX: &str = "products";

/// Follows the store, and answers on the inner port. Gives what answers there, for whoever is in this process.
pub(super) fn start(process: &Process<'_>, listener: TcpListener, parts: &mut Parts) -> anyhow::Result<Router> {
    let (plan, alone) = (process.plan, process.plan.roles == [Role::Search]);
    let store = process.spine.stores.get(&CONTEXT);
    let config = Config {
        folder: plan.search.folder(&process.instance.settings.data.directory(), INDEX),
        store: store.with_context(|| format!("the role `search` reads the store of `{CONTEXT}`"))?.reader(),
        progress: process.progress.clone(),
        check: Some(process.readiness.check("search")),
        alone,
    };
    let (slot, shutdown) = (Slot::default(), process.shutdown.clone());
    parts.spawn("search", search::follower::run(config, slot.clone(), shutdown.token().clone()));
    let routes = search::server::router(Served::new(slot, process.progress.clone()));
    let timeout = Duration::from_millis(plan.http.request_timeout_ms);
    let routes = edge(routes, EdgeSettings { timeout, body_bytes_max: plan.http.body_bytes_max });
    let here = routes.clone();
    // Small answers must not wait for an acknowledgement.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    if alone {
        parts.spawn("search-http", async move {
            let end = shutdown.clone();
            axum::serve(listener, routes).with_graceful_shutdown(async move { end.begun().await }).await?;
            Ok(())
        });
    } else {
        // The query API of this process drains first, and asks until then.
        parts.attend("search-http", async move { Ok(axum::serve(listener, routes).await?) });
    }
    Ok(here)
}
