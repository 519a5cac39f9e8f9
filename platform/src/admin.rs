//! The listener for those who run the program: is it alive, is it ready, did it start, what does it
//! measure. Nothing else.

#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::shutdown::Shutdown;

const TIDY_PERIOD: Duration = Duration::from_secs(5);
const PLAIN: [(header::HeaderName, &str); 2] =
    [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];

#[derive(Clone)]
struct Admin {
    readiness: Readiness,
    metrics: Metrics,
}

/// Answers until it is dropped: also while parts drain, so that `/readyz` can say so.
pub async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    metrics: Metrics,
    shutdown: Shutdown,
) -> io::Result<()> {
    let drained = readiness.clone();
    let draining = async move {
        shutdown.begun().await;
        drained.drain();
        std::future::pending::<()>().await;
    };
    let tidied = metrics.clone();
    let tidying = async move {
        loop {
            tokio::time::sleep(TIDY_PERIOD).await;
            tidied.tidy();
        }
    };
    tokio::select! {
        served = axum::serve(listener, routes(readiness, metrics)).into_future() => served,
        () = tidying => Ok(()),
        () = draining => Ok(()),
    }
}

/// The routes alone, for tests.
pub fn routes(readiness: Readiness, metrics: Metrics) -> Router {
    Router::new()
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .route("/startupz", get(started))
        .route("/metrics", get(measured))
        .with_state(Admin { readiness, metrics })
}

/// The process answers; a dependency that is away is no reason to restart it.
async fn alive() -> impl IntoResponse {
    (PLAIN, "ok\n")
}

async fn ready(State(admin): State<Admin>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let ready = admin.readiness.is_ready();
    let verbose = query.is_some_and(|query| query.split('&').any(|part| part.split('=').next() == Some("verbose")));
    let body = match (verbose || !ready, ready) {
        (true, _) => admin.readiness.report(),
        (false, _) => "ok\n".to_owned(),
    };
    (status(ready), PLAIN, body)
}

async fn started(State(admin): State<Admin>) -> impl IntoResponse {
    let started = admin.readiness.has_started();
    (status(started), PLAIN, if started { "ok\n" } else { "starting\n" })
}

async fn measured(State(admin): State<Admin>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], admin.metrics.render())
}

fn status(holds: bool) -> StatusCode {
    if holds { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
