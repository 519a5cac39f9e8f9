//! The role that does what follows from events: policies, their timers, and what they ask for.

use anyhow::Context as _;
use event_schemas::Context;
use platform::shutdown::Parts;

use super::Process;
use crate::aggregates;

/// All policies of the process.
pub(super) fn start(process: &Process<'_>, parts: &mut Parts) -> anyhow::Result<()> {
    let stores = &process.spine.stores;
    let store = |context: Context| {
        stores
            .get(&context)
            .with_context(|| format!("policies ask `{context}`, whose store this process does not have"))
    };
    let (orders, products) = (store(Context::Orders)?, store(Context::Products)?);
    let sender = reactors::Sender {
        orders: aggregates::orders(orders),
        products_store: products.clone(),
        products: aggregates::products(products),
        reservations: aggregates::reservations(products),
        stock: aggregates::stock(products),
    };
    let url = process.instance.urls.views.clone();
    let config = reactors::Config { url, stores: stores.clone(), sender, readiness: process.readiness.clone() };
    parts.spawn("reactor", reactors::run(config, process.shutdown.token().clone()));
    Ok(())
}
