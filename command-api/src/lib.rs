//! HTTP to commands: reads a request, seals what is personal, asks the event store, and writes what came of it.
//!
//! Nothing is decided here; the rules are in `domain`.

mod answer;
mod asking;
pub mod identity;
pub mod orders;
pub mod payments;
pub mod products;

use platform::problem::Explanation;
use platform::token::TokenKey;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// The contexts whose commands this process takes; a part that is absent has no routes.
#[derive(Clone)]
pub struct Api {
    /// By which tokens and fingerprints are ours.
    pub tokens: TokenKey,
    /// Accounts.
    pub identity: Option<identity::Commands>,
    /// Orders.
    pub orders: Option<orders::Commands>,
    /// Products and their stock.
    pub products: Option<products::Commands>,
    /// Payments.
    pub payments: Option<payments::Commands>,
}

/// The routes of the contexts that are here.
pub fn router(api: Api) -> axum::Router {
    let Api { tokens, identity, orders, products, payments } = api;
    let mut router = axum::Router::new();
    if let Some(commands) = identity {
        let state = identity::App { commands, tokens: tokens.clone() };
        router = router.merge(identity::routes().split_for_parts().0.with_state(state));
    }
    if let Some(commands) = orders {
        let state = orders::App { commands, tokens: tokens.clone() };
        router = router.merge(orders::routes().split_for_parts().0.with_state(state));
    }
    if let Some(commands) = products {
        let state = products::App { commands, tokens: tokens.clone() };
        router = router.merge(products::routes().split_for_parts().0.with_state(state));
    }
    if let Some(commands) = payments {
        router = router.merge(payments::routes().split_for_parts().0.with_state(payments::App { commands, tokens }));
    }
    router
}

/// What every route takes and answers, of all contexts.
#[must_use]
pub fn openapi() -> OpenApi {
    let mut all = described(identity::routes());
    all.merge(described(orders::routes()));
    all.merge(described(products::routes()));
    all.merge(described(payments::routes()));
    all
}

/// What its problems mean, besides those that every API may answer.
#[must_use]
pub fn problems() -> Vec<Explanation> {
    [answer::PROBLEMS, identity::PROBLEMS, orders::PROBLEMS, products::PROBLEMS, payments::PROBLEMS].concat()
}

fn described<S: Clone + Send + Sync + 'static>(routes: OpenApiRouter<S>) -> OpenApi {
    routes.into_openapi()
}
