//! The roles that answer HTTP, on one listener: in `up` the two routers are one.

use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::serve::ListenerExt as _;
use command_api::orders::Catalogue;
use event_schemas::Context;
use event_schemas::published::published;
use platform::http::{EdgeSettings, docs, edge};
use platform::postgres::{PoolSettings, pool_lazy};
use platform::shutdown::Parts;
use query_api::{Feed, FeedSettings, FeedStore, ProductCache, Redis};
use reactors::mail::Inbox;
use reactors::payments::{Simulator, SimulatorSettings};
use reactors::webhooks::http::Hooks;
use reactors::webhooks::{self, Secrets, Targets};
use tokio::net::TcpListener;

use super::{Process, Role};
use crate::aggregates;
use crate::migrate::store_config;

/// Persons change webhooks rarely.
const HOOKS_CONNECTIONS_MAX: u32 = 2;
/// Payers confirm rarely.
const SIMULATOR_CONNECTIONS_MAX: u32 = 2;
/// The inbox is read by people.
const INBOX_CONNECTIONS_MAX: u32 = 2;
/// Postgres takes no longer timeout than this, and takes 0 for none.
const STATEMENT_MS_MAX: u64 = i32::MAX.unsigned_abs() as u64;

/// Serves what the process has roles for, until the end begins; requests under way are answered. `search` is what
/// answers searches in this process.
pub(super) fn start(
    process: &Process<'_>,
    listener: TcpListener,
    search: Option<Router>,
    parts: &mut Parts,
) -> anyhow::Result<()> {
    let products = cache(process)?;
    let routes = routes(process, &products, search)?;
    if process.plan.has(Role::QueryApi) {
        follow(process, products, parts)?;
    }
    let shutdown = process.shutdown.clone();
    // Small answers must not wait for an acknowledgement.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    parts.spawn("http", async move {
        let end = shutdown.clone();
        axum::serve(listener, routes).with_graceful_shutdown(async move { end.begun().await }).await?;
        Ok(())
    });
    Ok(())
}

/// What is kept of what was read, in this process and beside it.
fn cache(process: &Process<'_>) -> anyhow::Result<ProductCache> {
    let reads = &process.plan.reads;
    let redis = match reads.redis_url()?.filter(|_| process.plan.has(Role::QueryApi)) {
        Some(url) => Some(Redis::at(&url).context("REDIS_URL is no URL of a Redis")?),
        None => None,
    };
    Ok(ProductCache::new(reads.read_cache_bytes(), redis))
}

/// Keeps the cache of products true.
fn follow(process: &Process<'_>, products: ProductCache, parts: &mut Parts) -> anyhow::Result<()> {
    let settings = PoolSettings::new("handsel product cache").connections_max(1);
    let (views, shutdown) = (pool_lazy(&process.instance.urls.views, &settings)?, process.shutdown.token().clone());
    if let Some(redis) = products.redis().cloned() {
        let (check, end) = (process.readiness.check("redis"), shutdown.clone());
        parts.spawn("redis", async move {
            end.run_until_cancelled(redis.tend(check)).await;
            Ok(())
        });
    }
    parts.spawn("product-cache", async move {
        tokio::select! {
            () = products.follow(&views) => {}
            () = shutdown.cancelled() => {}
        }
        Ok(())
    });
    Ok(())
}

/// The documentation describes what this process answers, so a role alone describes its own part.
fn routes(process: &Process<'_>, products: &ProductCache, search: Option<Router>) -> anyhow::Result<Router> {
    let (mut routes, mut described, mut problems) = (Router::new(), Vec::new(), Vec::new());
    if process.plan.has(Role::CommandApi) {
        routes = routes.merge(command_api::router(commands(process)?));
        described.push(command_api::openapi());
        problems.extend(command_api::problems());
        if process.spine.stores.contains_key(&Context::Payments) {
            routes = routes.merge(reactors::payments::http::routes(simulator(process, SIMULATOR_CONNECTIONS_MAX)?));
            described.push(reactors::payments::http::openapi());
            problems.extend(reactors::payments::http::problems());
        }
        if Context::ALL.iter().all(|context| process.spine.stores.contains_key(context)) {
            routes = routes.merge(webhooks::http::routes(hooks(process)?));
            described.push(webhooks::http::openapi());
            problems.extend(webhooks::http::problems());
        }
        if let Some(inbox) = inbox(process)? {
            routes = routes.merge(reactors::mail::http::routes(inbox));
            described.push(reactors::mail::http::openapi());
            problems.extend(reactors::mail::http::problems());
        }
    }
    if process.plan.has(Role::QueryApi) {
        let contexts = &process.spine.contexts;
        routes = routes.merge(query_api::router_of(contexts, queries(process, products, search)?));
        described.push(query_api::openapi_of(contexts));
        problems.extend(query_api::problems());
    }
    let document = docs::merged("Handsel", env!("CARGO_PKG_VERSION"), described);
    let schemas = docs::schemas(published().iter().map(|event| (event.route(), event.schema_text())));
    let http = &process.plan.http;
    let timeout = Duration::from_millis(http.request_timeout_ms);
    let settings = EdgeSettings { timeout, body_bytes_max: http.body_bytes_max };
    Ok(edge(routes.merge(docs::routes(&document, problems)?).merge(schemas), settings))
}

/// The views, over connections that stop a statement before the request is given up.
fn queries(process: &Process<'_>, products: &ProductCache, search: Option<Router>) -> anyhow::Result<query_api::App> {
    let (instance, http) = (process.instance, &process.plan.http);
    let connections = instance.settings.database.database_connections;
    let settings = PoolSettings {
        statement_timeout: Some(Duration::from_millis((http.request_timeout_ms / 2).clamp(1, STATEMENT_MS_MAX))),
        ..PoolSettings::new("handsel views").connections_max(connections).plan_each_call()
    };
    let elsewhere = query_api::SearchRole::at(&process.search_url)?;
    // Whoever named an address is asked there.
    let search = match search.filter(|_| process.plan.search.search_url.is_none()) {
        Some(routes) => elsewhere.here(routes),
        None => elsewhere,
    };
    Ok(query_api::App {
        views: pool_lazy(&instance.urls.views, &settings)?,
        tokens: process.spine.tokens()?.clone(),
        progress: process.progress.clone(),
        wait_max: Duration::from_millis(http.token_wait_max_ms),
        products: products.clone(),
        search,
        feed: feed(process),
    })
}

/// The stores for those who follow what happens. One that this process does without is opened when somebody does.
fn feed(process: &Process<'_>) -> Feed {
    let stores = Context::ALL.map(|context| match process.spine.stores.get(&context) {
        Some(store) => (context, FeedStore::Open(store.clone())),
        None => (context, FeedStore::At(Box::new(store_config(&process.instance.urls, context)))),
    });
    let settings = FeedSettings { streams_max: process.plan.http.event_streams_max, ..FeedSettings::default() };
    Feed::new(stores, settings, process.shutdown.token().clone())
}

/// The webhooks, in their database. Readers of all stores say where one begins.
fn hooks(process: &Process<'_>) -> anyhow::Result<Hooks> {
    let settings = PoolSettings::new("handsel webhooks of the API").connections_max(HOOKS_CONNECTIONS_MAX);
    Ok(Hooks::new(webhooks::http::Parts {
        pool: pool_lazy(&process.instance.urls.views, &settings)?,
        secrets: webhook_secrets(process)?,
        targets: webhook_targets(process),
        readers: process.spine.stores.iter().map(|(context, store)| (*context, store.reader())).collect(),
        tokens: process.spine.tokens()?.clone(),
    }))
}

/// Seals what we share with receivers: it follows from the master key, so that all processes of an instance agree.
pub(super) fn webhook_secrets(process: &Process<'_>) -> anyhow::Result<Secrets> {
    Ok(Secrets::new(process.instance.master()?.derived("secrets of webhooks")))
}

/// Where webhooks may lead to.
pub(super) fn webhook_targets(process: &Process<'_>) -> Targets {
    let http = &process.plan.http;
    Targets { private: http.webhook_private_targets.unwrap_or_else(|| webhooks::private_by_default(http.host)) }
}

/// The payment provider that is simulated, with its books beside the payments.
pub(super) fn simulator(process: &Process<'_>, connections_max: u32) -> anyhow::Result<Simulator> {
    let settings = PoolSettings::new("handsel payment simulator").connections_max(connections_max);
    let pool = pool_lazy(&process.instance.urls.stores[&Context::Payments], &settings)?;
    let told = &process.instance.settings.payments;
    let behaves =
        SimulatorSettings { late_ms: told.simulated_payments_late_ms, public_url: told.public_url.to_string() };
    Ok(Simulator::new(pool, behaves))
}

/// The built-in inbox, where accounts are: their keys open it.
fn inbox(process: &Process<'_>) -> anyhow::Result<Option<Inbox>> {
    let Some(keys) = process.spine.keys.clone() else { return Ok(None) };
    let settings = PoolSettings::new("handsel inbox").connections_max(INBOX_CONNECTIONS_MAX);
    let pool = pool_lazy(&process.instance.urls.views, &settings)?;
    let in_use = process.instance.settings.mail.url()?.is_none();
    Ok(Some(Inbox { pool, keys, tokens: process.spine.tokens()?.clone(), in_use }))
}

/// The commands of the contexts whose stores this process has.
fn commands(process: &Process<'_>) -> anyhow::Result<command_api::Api> {
    let spine = process.spine;
    let identity = spine.stores.get(&Context::Identity).zip(spine.keys.clone());
    let identity =
        identity.map(|(store, keys)| command_api::identity::Commands { accounts: aggregates::accounts(store), keys });
    // What is ordered is priced from the catalogue, also where another process changes that.
    let catalogue = match spine.stores.get(&Context::Products) {
        Some(store) => Catalogue::of(aggregates::products(store)),
        None => Catalogue::at(store_config(&process.instance.urls, Context::Products), aggregates::products),
    };
    let orders = spine
        .stores
        .get(&Context::Orders)
        .map(|store| command_api::orders::Commands { orders: aggregates::orders(store), catalogue });
    let products = spine.stores.get(&Context::Products).map(|store| command_api::products::Commands {
        products: aggregates::products(store),
        stock: aggregates::stock(store),
    });
    let payments = spine
        .stores
        .get(&Context::Payments)
        .map(|store| command_api::payments::Commands { payments: aggregates::payments(store) });
    Ok(command_api::Api { tokens: spine.tokens()?.clone(), identity, orders, products, payments })
}
