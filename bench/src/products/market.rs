//! A market in process: products that were brought on sale by commands, the views of them, and what serves them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use axum::Router;
use event_schemas::Context;
use event_store::{Store, StoreConfig};
use platform::embedded::postgres::EmbeddedPostgres;
use platform::postgres::{PoolSettings, pool_lazy};
use platform::progress::Progress;
use platform::settings::Secret;
use platform::token::TokenKey;
use projectors::{Config, Stores};
use query_api::{Feed, FeedSettings, ProductCache, SearchRole};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::program::Place;
use crate::{search, shop};

const CAUGHT_UP_MAX: Duration = Duration::from_secs(120);

pub(super) struct Market {
    server: Option<EmbeddedPostgres>,
    /// Where its database is.
    pub(super) url: String,
    views: PgPool,
    progress: Progress,
    stop: CancellationToken,
    projecting: JoinHandle<anyhow::Result<()>>,
}

/// The product with this number.
pub(super) fn id(number: u64) -> Uuid {
    search::goods::id(number)
}

impl Market {
    pub(super) async fn open(place: &Place, products: u64) -> anyhow::Result<Self> {
        let (server, url) = place.postgres().await?;
        let url = shop::create(&url, &format!("bench_products_{}", std::process::id())).await?;
        let secret = Secret::new(&url);
        let urls = Context::ALL.map(|context| (context, secret.clone())).into();
        let urls = handsel::instance::Urls { stores: urls, keys: secret.clone(), views: secret.clone() };
        handsel::migrate::databases(&urls).await?;
        let mut stores = BTreeMap::new();
        for context in Context::ALL {
            stores.insert(context, Store::open(StoreConfig::new(context.name(), &url)).await?);
        }
        search::fill(&stores[&Context::Products], usize::try_from(products)?).await?;
        let config = Config {
            topics: BTreeMap::new(),
            group: "handsel.projector.v1".to_owned(),
            views_url: secret,
            kafka: None,
            embedded_broker: false,
            partitions: None,
            only: Some(vec!["products".to_owned(), "audit_log".to_owned()]),
            check: None,
        };
        let (progress, stop) = (Progress::default(), CancellationToken::new());
        let readers = Stores::new(stores.iter().map(|(context, store)| (*context, store.reader())));
        let running = projectors::run(config, readers, None, progress.clone(), stop.clone());
        let projecting = tokio::spawn(running);
        let views = PgPool::connect(&url).await?;
        let market = Self { server, url, views, progress, stop, projecting };
        market.caught_up(products).await?;
        Ok(market)
    }

    /// Waits until every product and all of its events are shown.
    async fn caught_up(&self, products: u64) -> anyhow::Result<()> {
        let sql = "select (select count(*) from read.products where state = 'published' and version = 3),
                          (select count(*) from read.audit_log where context = 'products')";
        let begun = Instant::now();
        loop {
            let (shown, events): (i64, i64) = sqlx::query_as(sql).fetch_one(&self.views).await?;
            if (shown.unsigned_abs(), events.unsigned_abs()) == (products, products * 3) {
                break;
            }
            ensure!(begun.elapsed() < CAUGHT_UP_MAX, "{shown} products and {events} events after {CAUGHT_UP_MAX:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        sqlx::query("analyze").execute(&self.views).await?;
        Ok(())
    }

    /// Tells the cache of changes as the program does.
    pub(super) fn follow(&self, cache: &ProductCache) {
        let (cache, views, stop) = (cache.clone(), self.views.clone(), self.stop.clone());
        tokio::spawn(async move { stop.run_until_cancelled(cache.follow(&views)).await });
    }

    /// The query API on a port of its own, with everything around it that the program has; where it is.
    pub(super) async fn serve(&self, products: ProductCache) -> anyhow::Result<String> {
        let settings = PoolSettings {
            statement_timeout: Some(Duration::from_secs(15)),
            ..PoolSettings::new("handsel views").plan_each_call()
        };
        let app = query_api::App {
            views: pool_lazy(&Secret::new(&self.url), &settings)?,
            progress: self.progress.clone(),
            wait_max: Duration::from_secs(2),
            tokens: TokenKey::new([7; 32]),
            products,
            search: SearchRole::at("http://127.0.0.1:1")?,
            feed: Feed::new([], FeedSettings::default(), self.stop.clone()),
        };
        serve(platform::http::edge(query_api::router(app), platform::http::EdgeSettings::default())).await
    }

    /// How long an answer is.
    pub(super) async fn body_bytes(&self) -> anyhow::Result<usize> {
        let url = format!("http://{}/v1/products/{}", self.serve(ProductCache::new(0, None)).await?, id(0));
        Ok(reqwest::get(url).await?.error_for_status()?.bytes().await?.len())
    }

    pub(super) async fn close(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.projecting.await?.context("following the store")?;
        self.views.close().await;
        match self.server {
            Some(server) => Ok(server.stop().await?),
            None => Ok(()),
        }
    }
}

/// Serves these routes on a free port until the program ends; where that is.
pub(super) async fn serve(routes: Router) -> anyhow::Result<String> {
    use axum::serve::ListenerExt as _;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
    tokio::spawn(axum::serve(listener, routes).into_future());
    Ok(address)
}
