//! Both APIs on a port of their own, over stores and views of their own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use command_api::orders::Catalogue;
use event_schemas::Context;
use event_schemas::published::published;
use event_store::keys::{KeyRing, MasterKey};
use event_store::{Reader, Store, StoreConfig};
use handsel::aggregates;
use platform::http::{EdgeSettings, docs, edge};
use platform::postgres::{PoolSettings, pool_lazy};
use platform::problem::{COMMON, Explanation};
use platform::progress::Progress;
use platform::readiness::Readiness;
use platform::settings::Secret;
use platform::token::TokenKey;
use projectors::{Config, Stores};
use query_api::{Feed, FeedSettings, FeedStore, ProductCache, SearchRole};
use reactors::mail::{Inbox, Mailer, Post};
use reactors::payments::{Simulator, SimulatorSettings};
use reactors::webhooks::http::{Hooks, Parts};
use reactors::webhooks::{self, Secrets, Targets};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use sqlx::PgPool;
use tempfile::TempDir;
use tests::{TestDatabase, database};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use utoipa::openapi::OpenApi;

use super::following::Following;

pub(crate) const ACCOUNT: &str = "018f4e7a-0000-7000-8000-000000000001";
pub(crate) const KEY: &str = "7d444840-9dc0-4ad1-b245-5ffdce74fad2";

/// The program's two APIs and what they stand on.
pub(crate) struct Api {
    pub(crate) database: TestDatabase,
    pub(crate) keys: KeyRing,
    pub(crate) stores: Stores,
    pub(crate) tokens: TokenKey,
    /// The products that the API has in memory.
    pub(crate) products: ProductCache,
    /// Where payments are made.
    pub(crate) provider: Simulator,
    /// For what processes ask of payments, past HTTP.
    pub(crate) payments: Store,
    /// What events are delivered from.
    pub(crate) opened: BTreeMap<Context, Store>,
    /// What seals the secrets of webhooks.
    pub(crate) secrets: Secrets,
    base: String,
    client: Client,
    _stop: DropGuard,
    _index: TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// How long a query waits for its token, and its statement for the database.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) wait_max: Duration,
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) feed: FeedSettings,
}

impl Default for Patience {
    fn default() -> Self {
        Self { wait_max: Duration::from_secs(2), statement_timeout: None, feed: FeedSettings::default() }
    }
}

/// What may go wrong with any of it, and what that means.
pub(crate) fn explanations() -> Vec<Explanation> {
    let (payments, mail) = (reactors::payments::http::problems(), reactors::mail::http::problems());
    let reactors = [payments, mail, reactors::webhooks::http::problems()].concat();
    [COMMON.to_vec(), command_api::problems(), query_api::problems(), reactors].concat()
}

/// A part of a document, or what it refers to.
pub(crate) fn resolved<'a>(document: &'a Value, part: &'a Value) -> &'a Value {
    let place = part["$ref"].as_str().and_then(|place| place.strip_prefix('#'));
    place.map_or(part, |place| document.pointer(place).unwrap_or_else(|| panic!("{place} is not described")))
}

/// What both APIs say of themselves.
pub(crate) fn document() -> OpenApi {
    let (payments, mail) = (reactors::payments::http::openapi(), reactors::mail::http::openapi());
    let reactors = [payments, mail, reactors::webhooks::http::openapi()];
    let described = [command_api::openapi()].into_iter().chain(reactors).chain([query_api::openapi()]);
    docs::merged("Handsel", env!("CARGO_PKG_VERSION"), described)
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::start_with(Patience::default()).await
    }

    pub(crate) async fn start_with(patience: Patience) -> Self {
        Self::begin(patience, true).await
    }

    /// Nothing follows from events: a test sees what is there before, or does it itself.
    pub(crate) async fn without_policies() -> Self {
        Self::begin(Patience::default(), false).await
    }

    async fn begin(patience: Patience, policies: bool) -> Self {
        _ = rustls::crypto::ring::default_provider().install_default();
        let database = database().await;
        let views = PgPool::connect(database.url()).await.unwrap();
        let keys = KeyRing::connect(views.clone(), MasterKey::random()).await.unwrap();
        let mut stores = BTreeMap::new();
        for context in Context::ALL {
            stores.insert(context, open(&database, context).await);
        }
        let (progress, stop, tokens) = (Progress::default(), CancellationToken::new(), TokenKey::new([7; 32]));
        let config = Config {
            topics: Default::default(),
            group: "handsel.projector.v1".to_owned(),
            views_url: Secret::new(database.url()),
            kafka: None,
            embedded_broker: false,
            partitions: None,
            only: None,
            check: None,
        };
        let (index, search) = search(stores[&Context::Products].reader(), &progress, &stop).await;
        let readers = Stores::new(stores.iter().map(|(context, store)| (*context, store.reader())));
        tokio::spawn(projectors::run(config, readers.clone(), Some(keys.clone()), progress.clone(), stop.clone()));
        let provider = Simulator::new(views.clone(), SimulatorSettings::default());
        if policies {
            let url = Secret::new(database.url());
            tokio::spawn(reactors::run(react(url, &stores, &keys, &provider), stop.clone()));
        }
        let commands = command_api::router(commands(&stores, &keys, &tokens));
        let open = stores.iter().map(|(context, store)| (*context, FeedStore::Open(store.clone())));
        let feed = Feed::new(open, patience.feed, stop.clone());
        let products = ProductCache::default();
        let (cache, read) = (products.clone(), views.clone());
        let end = stop.clone();
        tokio::spawn(async move { end.run_until_cancelled(cache.follow(&read)).await });
        let queries = queries(&database, progress, (tokens.clone(), search, feed), patience);
        let queries = query_api::router(query_api::App { products: products.clone(), ..queries });
        let schemas = docs::schemas(published().iter().map(|event| (event.route(), event.schema_text())));
        let secrets = Secrets::new([9; 32]);
        let queries = queries.merge(webhooks::http::routes(hooks(&views, &secrets, &stores, &tokens)));
        let inbox = Inbox { pool: views, keys: keys.clone(), tokens: tokens.clone(), in_use: true };
        let queries = queries.merge(reactors::payments::http::routes(provider.clone()));
        let queries = queries.merge(reactors::mail::http::routes(inbox));
        let routes = commands.merge(queries).merge(docs::routes(&document(), explanations()).unwrap()).merge(schemas);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let end = stop.clone();
        let serving = axum::serve(listener, edge(routes, EdgeSettings::default()));
        tokio::spawn(serving.with_graceful_shutdown(async move { end.cancelled().await }).into_future());
        Self {
            database,
            keys,
            stores: readers,
            tokens,
            products,
            provider,
            payments: stores[&Context::Payments].clone(),
            opened: stores,
            secrets,
            base,
            client: Client::new(),
            _stop: stop.drop_guard(),
            _index: index,
        }
    }

    /// Sends what is said, and nothing else: `headers` are lines such as `If-Match: "1"`.
    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[&str], body: impl Into<Vec<u8>>) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).body(body.into());
        for line in headers {
            let (name, value) = line.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        // A stream has no end; whoever wants to read it follows it.
        let streams = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let bytes = if streams { Bytes::new() } else { response.bytes().await.unwrap() };
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status, headers, body }
    }

    /// Begins to follow events: `query` is `?from=start`, the last id is that of an earlier stream.
    pub(crate) async fn follow(&self, query: &str, last_id: &str) -> Following {
        Following::begin(&self.base, query, last_id).await
    }

    /// Where it listens, for what no client would send.
    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    pub(crate) async fn post(&self, path: &str, headers: &[&str], body: &Value) -> Answer {
        let headers = [headers, &["content-type: application/json"]].concat();
        self.send(Method::POST, path, &headers, body.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str, headers: &[&str]) -> Answer {
        self.send(Method::GET, path, headers, vec![]).await
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("{name} in {self:?}")).to_str().unwrap()
    }

    /// The header with which the next request sees what this one did.
    #[track_caller]
    pub(crate) fn token(&self) -> String {
        format!("Consistency-Token: {}", self.header("consistency-token"))
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }
}

fn queries(
    database: &TestDatabase,
    progress: Progress,
    (tokens, search, feed): (TokenKey, SearchRole, Feed),
    patience: Patience,
) -> query_api::App {
    let Patience { wait_max, statement_timeout, .. } = patience;
    let settings = PoolSettings { statement_timeout, ..PoolSettings::new("handsel views").plan_each_call() };
    let views = pool_lazy(&Secret::new(database.url()), &settings).unwrap();
    query_api::App { views, progress, wait_max, tokens, products: ProductCache::default(), search, feed }
}

/// The role `search` with an index of its own, on a port of its own.
async fn search(store: Reader, progress: &Progress, stop: &CancellationToken) -> (TempDir, SearchRole) {
    let folder = tempfile::tempdir().unwrap();
    let config = search::follower::Config {
        folder: folder.path().join("products"),
        store,
        progress: progress.clone(),
        check: None,
        alone: false,
    };
    let slot = search::follower::Slot::default();
    tokio::spawn(search::follower::run(config, slot.clone(), stop.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = search::server::router(search::server::Served::new(slot.clone(), progress.clone()));
    let end = stop.clone();
    let serving = axum::serve(listener, routes).with_graceful_shutdown(async move { end.cancelled_owned().await });
    tokio::spawn(serving.into_future());
    tests::until("the index is whole", tests::ETA_MAX, async || slot.get().is_some()).await;
    (folder, SearchRole::at(&url).unwrap())
}

/// Policies over these stores, as the role runs them.
fn react(url: Secret, stores: &BTreeMap<Context, Store>, keys: &KeyRing, provider: &Simulator) -> reactors::Config {
    let (stores, sender) = (stores.clone(), aggregates::sender(stores).unwrap());
    let (accounts, inbox) = (aggregates::accounts(&stores[&Context::Identity]), Post::of(None, None).unwrap());
    let mailer = Mailer::new(accounts, keys.clone(), inbox);
    let (provider, readiness) = (Arc::new(provider.clone()), Readiness::new());
    reactors::Config { url, stores, sender, provider, mailer, readiness }
}

fn hooks(pool: &PgPool, secrets: &Secrets, stores: &BTreeMap<Context, Store>, tokens: &TokenKey) -> Hooks {
    Hooks::new(Parts {
        pool: pool.clone(),
        secrets: secrets.clone(),
        targets: Targets { private: true },
        readers: stores.iter().map(|(context, store)| (*context, store.reader())).collect(),
        tokens: tokens.clone(),
    })
}

fn commands(stores: &BTreeMap<Context, Store>, keys: &KeyRing, tokens: &TokenKey) -> command_api::Api {
    let store = |context| &stores[&context];
    let (accounts, keys) = (aggregates::accounts(store(Context::Identity)), keys.clone());
    let products = aggregates::products(store(Context::Products));
    let orders = aggregates::orders(store(Context::Orders));
    let payments = aggregates::payments(store(Context::Payments));
    command_api::Api {
        tokens: tokens.clone(),
        identity: Some(command_api::identity::Commands { accounts, keys }),
        orders: Some(command_api::orders::Commands { orders, catalogue: Catalogue::of(products.clone()) }),
        products: Some(command_api::products::Commands {
            products,
            stock: aggregates::stock(store(Context::Products)),
        }),
        payments: Some(command_api::payments::Commands { payments }),
    }
}

async fn open(database: &TestDatabase, context: Context) -> Store {
    Store::open(StoreConfig::new(context.name(), database.url())).await.unwrap()
}
