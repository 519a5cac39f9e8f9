//! Read models over HTTP: each route is one statement over one view in the schema `read`, or one question to the role
//! `search`; and events as they happen, from the stores. Writes nothing.

mod app;
mod audit;
mod feed;
mod fresh;
mod identity;
mod orders;
mod payments;
mod products;
mod redis;
mod search;
mod timers;

use event_schemas::Context;
use platform::problem::Explanation;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use crate::redis::Redis;
use app::Api;
pub use app::App;
pub use feed::{Feed, FeedSettings, FeedStore};
pub use products::cache::{Counts, ProductCache};
pub use search::SearchRole;

/// All routes.
pub fn router(app: App) -> axum::Router {
    router_of(&Context::ALL, app)
}

/// The routes of these contexts.
pub fn router_of(contexts: &[Context], app: App) -> axum::Router {
    routes(contexts).split_for_parts().0.with_state(Api::new(app))
}

/// What every route takes and answers.
#[must_use]
pub fn openapi() -> OpenApi {
    openapi_of(&Context::ALL)
}

/// What its problems mean, besides those that every API may answer.
#[must_use]
pub fn problems() -> Vec<Explanation> {
    [
        app::PROBLEMS,
        feed::PROBLEMS,
        fresh::PROBLEMS,
        identity::PROBLEMS,
        orders::PROBLEMS,
        payments::PROBLEMS,
        products::PROBLEMS,
        search::PROBLEMS,
    ]
    .concat()
}

/// What the routes of these contexts take and answer.
#[must_use]
pub fn openapi_of(contexts: &[Context]) -> OpenApi {
    routes(contexts).into_openapi()
}

fn routes(contexts: &[Context]) -> OpenApiRouter<Api> {
    let mut all = OpenApiRouter::new();
    for context in Context::ALL.into_iter().filter(|context| contexts.contains(context)) {
        all = all.merge(match context {
            Context::Identity => identity::routes(),
            Context::Orders => orders::routes(),
            Context::Products => products::routes(),
            Context::Payments => payments::routes(),
        });
    }
    // What is found is bought as products are.
    if contexts.contains(&Context::Products) {
        all = all.merge(search::routes());
    }
    // What is of all contexts is shown where all of them are.
    if Context::ALL.iter().all(|context| contexts.contains(context)) {
        all = all.merge(audit::routes()).merge(feed::routes()).merge(timers::routes());
    }
    all
}
