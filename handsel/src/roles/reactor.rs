//! The role that does what follows from events: policies, their timers, and what they ask for.

use std::sync::Arc;

use anyhow::Context as _;
use event_schemas::Context;
use platform::shutdown::Parts;

use super::Process;
use crate::aggregates;

/// Calls to the simulated provider that are under way at once have so many connections.
const PROVIDER_CONNECTIONS_MAX: u32 = 8;

/// All policies of the process.
pub(super) fn start(process: &Process<'_>, parts: &mut Parts) -> anyhow::Result<()> {
    let stores = &process.spine.stores;
    let store = |context: Context| {
        stores
            .get(&context)
            .with_context(|| format!("policies ask `{context}`, whose store this process does not have"))
    };
    let (orders, products) = (store(Context::Orders)?, store(Context::Products)?);
    let payments = store(Context::Payments)?;
    let sender = reactors::Sender {
        orders: aggregates::orders(orders),
        payments: aggregates::payments(payments),
        products_store: products.clone(),
        products: aggregates::products(products),
        reservations: aggregates::reservations(products),
        stock: aggregates::stock(products),
    };
    let url = process.instance.urls.views.clone();
    let provider = Arc::new(super::api::simulator(process, PROVIDER_CONNECTIONS_MAX)?);
    let config =
        reactors::Config { url, stores: stores.clone(), sender, provider, readiness: process.readiness.clone() };
    parts.spawn("reactor", reactors::run(config, process.shutdown.token().clone()));
    Ok(())
}
