//! Read models over HTTP: each route is one statement over one view in the schema `read`. Writes nothing.

mod app;
mod audit;
mod fresh;
mod identity;
mod orders;

use platform::problem::Explanation;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use app::App;

/// All routes.
pub fn router(app: App) -> axum::Router {
    routes().split_for_parts().0.with_state(app)
}

/// What every route takes and answers.
#[must_use]
pub fn openapi() -> OpenApi {
    routes().into_openapi()
}

/// What its problems mean, besides those that every API may answer.
#[must_use]
pub fn problems() -> Vec<Explanation> {
    [app::PROBLEMS, fresh::PROBLEMS, identity::PROBLEMS, orders::PROBLEMS].concat()
}

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(identity::routes()).merge(orders::routes()).merge(audit::routes())
}
