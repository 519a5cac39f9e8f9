//! The search index: built from the store beside the library alone, and asked over HTTP beside the library alone.

mod bare;
pub(crate) mod goods;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::routing::get;
use domain::products::{Edit, Product, ProductCommand};
use envelope::{Cause, Timestamp};
use event_schemas::Context;
use event_store::{Ask, Store, StoreConfig};
use futures::{StreamExt as _, TryStreamExt as _};
use hdrhistogram::Histogram;
use platform::postgres::{PoolSettings, pool_lazy};
use platform::progress::Progress;
use platform::settings::Secret;
use platform::token::TokenKey;
use search::follower::{self, Slot};
use search::following::Following;
use search::index::Serving;
use search::server::Served;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Options;
use crate::cells::{self, Cell};
use crate::program::Place;
use bare::Bare;

const COMMANDS_AT_ONCE: usize = 256;
const QUERIES: u64 = 500;
/// Caches are filled before anything counts.
const WARM_UP: u64 = 200;
const BUILD_MAX: Duration = Duration::from_secs(600);

pub(crate) async fn run(options: &Options, place: &Place) -> anyhow::Result<String> {
    let (server, url) = place.postgres().await?;
    let config = StoreConfig::new(Context::Products.name(), &url);
    Store::migrate(&config).await?;
    let store = Store::open(config).await?;
    fill(&store, options.products).await?;
    let folder = place.path().join("search");
    let (built, serving) = build(&store, options, &folder).await?;
    let asked = ask(&url, &serving, options).await?;
    if let Some(server) = server {
        server.stop().await?;
    }
    Ok(format!(
        "{} made-up products, each drafted, proposed and approved: {} events.\n\n{built}\n{asked}",
        options.products,
        options.products * 3
    ))
}

/// Brings the products on sale, by commands.
pub(crate) async fn fill(store: &Store, products: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    let commands = store.commands::<Product>((), vec![]);
    let at = Timestamp::from_micros(0).context("the time exists")?;
    futures::stream::iter(0..products as u64)
        .map(|number| {
            let commands = &commands;
            async move {
                let draft = goods::draft(number);
                let id = draft.product.to_string();
                let edit = |edit| ProductCommand::Edit { by: "bench".to_owned(), at, edit };
                let each = [ProductCommand::Draft(Box::new(draft)), edit(Edit::Propose), edit(Edit::Approve)];
                for command in each {
                    let ask = Ask::new(Cause::new("bench", Uuid::nil()));
                    let done = commands.execute(&id, command, ask).await;
                    done.map_err(|refused| anyhow::anyhow!("refused: {refused:?}"))?;
                }
                Ok(())
            }
        })
        .buffer_unordered(COMMANDS_AT_ONCE)
        .try_for_each(|()| async { anyhow::Ok(()) })
        .await?;
    eprintln!("search: {products} products on sale after {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Ours and the library alone in turn; the index of the last round answers the queries.
async fn build(store: &Store, options: &Options, folder: &Path) -> anyhow::Result<(String, Serving)> {
    let (mut ours, mut bare, mut ratio) = (Cell::new(), Cell::new(), Cell::new());
    let mut last = None;
    let mut documents = Vec::new();
    // The first round warms up, and makes the documents that the library alone is given.
    for round in 0..=options.pairs {
        let place = folder.join(round.to_string());
        let (serving, took) = follow(store, &place.join("ours")).await?;
        let head = store.reader().head().await?;
        if round == 0 {
            let (index, anew) = Following::open(&place.join("ours"), &head, None)?;
            ensure!(anew.is_none() && index.index().products() == options.products as u64, "the index is not whole");
            let each = index.index().everything()?;
            documents = each.values().map(|kept| serving.fields.document(kept)).collect::<Result<Vec<_>, _>>()?;
        }
        std::fs::create_dir_all(place.join("bare"))?;
        let alone = bare::build(&place.join("bare"), documents.clone())?;
        let rate = |took: Duration| options.products as f64 / took.as_secs_f64();
        eprintln!("search: round {round}, {:.0} / {:.0} products per s", rate(took), rate(alone));
        if round > 0 {
            ours.add(rate(took));
            bare.add(rate(alone));
            ratio.add(rate(took) / rate(alone));
        }
        last = Some(serving);
    }
    let text = format!(
        "Building the index from the store, from an empty folder until it answers, beside the library that adds the \
         same documents, ready in memory, and commits once, with as many threads (1) and as much memory:\n\n\
         | | products per second |\n|---|---|\n| from the store | {} |\n| the library alone | {} |\n\
         | ratio | **{}** |\n",
        ours.show(0),
        bare.show(0),
        ratio.show(2)
    );
    Ok((text, last.context("no round")?))
}

/// Follows the store into a folder until the index is whole.
async fn follow(store: &Store, folder: &Path) -> anyhow::Result<(Serving, Duration)> {
    let (slot, stop) = (Slot::default(), CancellationToken::new());
    let (progress, folder) = (Progress::default(), folder.to_owned());
    let config = follower::Config { folder, store: store.reader(), progress, check: None, alone: true };
    let begun = Instant::now();
    let running = tokio::spawn(follower::run(config, slot.clone(), stop.clone()));
    let serving = loop {
        if let Some(serving) = slot.get() {
            break serving;
        }
        ensure!(begun.elapsed() < BUILD_MAX, "the index is not whole after {BUILD_MAX:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    let took = begun.elapsed();
    stop.cancel();
    running.await??;
    Ok((serving, took))
}

/// The same queries by the library in process, over HTTP, and an answer of nothing over HTTP.
async fn ask(url: &str, serving: &Serving, options: &Options) -> anyhow::Result<String> {
    let (bare, routes) = (Bare::new(serving)?, Routes::start(url, serving).await?);
    let [mut hello, mut route, mut alone, mut faceted] =
        [cells::micros(), cells::micros(), cells::micros(), cells::micros()];
    let (mut found, mut different) = (0, 0);
    for number in 0..WARM_UP + QUERIES {
        let q = goods::query(number);
        let (_, greeted) = routes.get("/hello", "").await?;
        // Whoever asks first finds less of the index in the caches of the processor.
        let ours_first = number % 2 == 0;
        let asked_before = if ours_first { Some(routes.get("/v1/search/products", &q).await?) } else { None };
        let (total, counted) = bare.ask(&q, true)?;
        let (answer, took) = match asked_before {
            Some(asked) => asked,
            None => routes.get("/v1/search/products", &q).await?,
        };
        let (_, plain) = bare.ask(&q, false)?;
        if number >= WARM_UP {
            for (histogram, took) in
                [(&mut hello, greeted), (&mut route, took), (&mut alone, plain), (&mut faceted, counted)]
            {
                cells::record(histogram, took);
            }
            found += u64::from(total > 0);
            // Beginnings and typos are found by ours only, so ours may find more, never less.
            ensure!(answer["total"].as_u64() >= Some(total as u64), "`{q}`: {} instead of {total}", answer["total"]);
            different += u64::from(answer["total"].as_u64() != Some(total as u64));
        }
    }
    ensure!(found > QUERIES / 2, "only {found} of {QUERIES} queries find anything");
    let row = |name: &str, latencies: &Histogram<u64>| {
        let [p50, p95, p99] = [50.0, 95.0, 99.0].map(|percentile| cells::ms(latencies, percentile));
        format!("| {name} | {p50:.2} | {p95:.2} | {p99:.2} |\n")
    };
    let p50 = |latencies: &Histogram<u64>| cells::ms(latencies, 50.0);
    Ok(format!(
        "{QUERIES} mixed queries, one after another, each asked of all: words of titles, rare words, beginnings. The \
         route goes over HTTP to the query API, which asks the role in its own process, as under `up`; the library \
         alone is called in process with its own query parser.\n\n\
         | | p50 ms | p95 ms | p99 ms |\n|---|---|---|---|\n{}{}{}{}\n\
         Route without the answer of nothing, beside the library with facets, at p50: **{:.2}**; beside the library \
         without facets: {:.2}. {different} answers counted more than the library's, because they know beginnings; \
         none fewer. {} products a page.",
        row("`GET /v1/search/products`", &route),
        row("an answer of nothing over HTTP", &hello),
        row("the library alone, with facets", &faceted),
        row("the library alone, without facets", &alone),
        (p50(&route) - p50(&hello)) / p50(&faceted),
        (p50(&route) - p50(&hello)) / p50(&alone),
        20.min(options.products),
    ))
}

/// The query API and the role it asks in its own process.
struct Routes {
    url: String,
    http: reqwest::Client,
}

impl Routes {
    async fn start(views: &str, serving: &Serving) -> anyhow::Result<Self> {
        let progress = Progress::default();
        let inner = search::server::router(Served::new(Slot::holding(serving.clone()), progress.clone()));
        let inner = platform::http::edge(inner, platform::http::EdgeSettings::default());
        let app = query_api::App {
            views: pool_lazy(&Secret::new(views), &PoolSettings::new("bench"))?,
            progress,
            wait_max: Duration::from_secs(2),
            tokens: TokenKey::new([7; 32]),
            products: query_api::ProductCache::default(),
            search: query_api::SearchRole::at("http://127.0.0.1:1")?.here(inner),
            feed: query_api::Feed::new([], query_api::FeedSettings::default(), CancellationToken::new()),
        };
        let routes = query_api::router(app).merge(Router::new().route("/hello", get(async || "{}")));
        let url = serve(platform::http::edge(routes, platform::http::EdgeSettings::default())).await?;
        Ok(Self { url, http: reqwest::Client::builder().tcp_nodelay(true).build()? })
    }

    async fn get(&self, path: &str, q: &str) -> anyhow::Result<(Value, Duration)> {
        let request = self.http.get(format!("{}{path}", self.url)).query(&[("q", q)]);
        let begun = Instant::now();
        let text = request.send().await?.error_for_status()?.text().await?;
        let took = begun.elapsed();
        Ok((serde_json::from_str(&text)?, took))
    }
}

async fn serve(routes: Router) -> anyhow::Result<String> {
    use axum::serve::ListenerExt as _;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
    tokio::spawn(axum::serve(listener, routes).into_future());
    Ok(url)
}
