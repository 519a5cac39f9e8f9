//! Products by id over HTTP: without the cache, beside an axum that reads the same row by bare `tokio-postgres`; and
//! from the cache, beside an axum that answers as many bytes of nothing.

mod client;
mod market;
mod peer;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use platform::telemetry::{self, LogTo};
use query_api::ProductCache;
use tokio::sync::Mutex;

use crate::Options;
use crate::cells::{Cell, ms};
use crate::load::{self, Load};
use crate::program::Place;
use crate::search::goods::mixed;
use client::Connection;
use market::Market;

/// How many products there are; each is asked for as often as any other.
const PRODUCTS: u64 = 1_000;
const CLIENTS: usize = 32;
/// What must be read from memory when it is measured.
const HIT_RATE_MIN: f64 = 0.95;
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// The servers under measurement, all in this process.
struct Servers {
    /// The query API without a cache.
    plain: String,
    /// The same row by axum and `tokio-postgres`.
    bare: String,
    /// The query API with its cache.
    kept: String,
    cache: ProductCache,
    /// An axum that answers nothing, as long as a product.
    hello: String,
}

/// What one kind of server did, in all samples.
#[derive(Default)]
struct Row {
    rate: Cell,
    p50: Cell,
    p99: Cell,
}

pub(crate) async fn run(options: &Options, place: &Place) -> anyhow::Result<String> {
    // What the program measures and traces is measured here too, at its cost.
    let measured = platform::metrics::install()?;
    let _telemetry = telemetry::init("bench", env!("CARGO_PKG_VERSION"), LogTo::Stderr)?;
    let tidying = tokio::spawn(async move {
        loop {
            tokio::time::sleep(TIDY_EVERY).await;
            measured.tidy();
        }
    });
    let market = Market::open(place, PRODUCTS).await?;
    let bytes = market.body_bytes().await?;
    let cache = ProductCache::default();
    market.follow(&cache);
    let servers = Servers {
        plain: market.serve(ProductCache::new(0, None)).await?,
        bare: market::serve(peer::bare(&market.url).await?).await?,
        kept: market.serve(cache.clone()).await?,
        cache,
        hello: market::serve(peer::hello(bytes)).await?,
    };
    same(&servers).await?;
    let text = measure(options, &servers, bytes).await?;
    tidying.abort();
    market.close().await?;
    Ok(text)
}

/// All samples, interleaved. The first round warms up.
async fn measure(options: &Options, servers: &Servers, bytes: usize) -> anyhow::Result<String> {
    let [mut plain, mut bare, mut kept, mut hello] = std::array::from_fn(|_| Row::default());
    let (mut of_bare, mut of_hello, mut hits, mut reads) = (Cell::new(), Cell::new(), 0, 0);
    let lasting = Duration::from_secs(options.sample_s);
    for round in 0..=options.pairs {
        let cold = [sample(&servers.plain, lasting).await?, sample(&servers.bare, lasting).await?];
        let before = servers.cache.counts();
        let warm = [sample(&servers.kept, lasting).await?, sample(&servers.hello, lasting).await?];
        let after = servers.cache.counts();
        eprintln!(
            "products: round {round}, {:.0} / {:.0} from the database, {:.0} / {:.0} from memory",
            cold[0].per_second(),
            cold[1].per_second(),
            warm[0].per_second(),
            warm[1].per_second()
        );
        if round == 0 {
            continue;
        }
        of_bare.add(cold[0].per_second() / cold[1].per_second());
        of_hello.add(warm[0].per_second() / warm[1].per_second());
        hits += after.hits - before.hits;
        reads += warm[0].done;
        for (row, load) in [&mut plain, &mut bare, &mut kept, &mut hello].into_iter().zip(cold.iter().chain(&warm)) {
            row.add(load);
        }
    }
    let hit_rate = hits as f64 / reads as f64;
    ensure!(hit_rate >= HIT_RATE_MIN, "only {hits} of {reads} reads were answered from memory");
    Ok(format!(
        "`GET /v1/products/{{product}}` of {PRODUCTS} products at random, {bytes} bytes each, {CLIENTS} connections, \
         each sending its next request when the last one is answered; {} pairs of {} s, interleaved. All servers and \
         the load run in one process, so they share its cores, with Postgres beside it.\n\n\
         | | reads per second | p50 ms | p99 ms |\n|---|---|---|---|\n{}{}{}{}\n\
         From the database, beside axum and `tokio-postgres`: **{}**. From memory, beside axum alone: **{}**; {:.1} % \
         of those reads were in memory. Both peers answer without tracing, metrics, request ids, deadlines and \
         tokens, which every answer of ours has. Before, all four were asked for every product, and ours answered \
         what the peer read.",
        options.pairs,
        options.sample_s,
        plain.show("from the database: cache off (`HANDSEL_READ_CACHE_MB=0`)"),
        bare.show("the same row by axum and `tokio-postgres`"),
        kept.show("from memory"),
        hello.show("axum, as many bytes of nothing"),
        of_bare.show(2),
        of_hello.show(2),
        hit_rate * 100.0,
    ))
}

impl Row {
    fn add(&mut self, load: &Load) {
        self.rate.add(load.per_second());
        self.p50.add(ms(&load.latencies, 50.0));
        self.p99.add(ms(&load.latencies, 99.0));
    }

    fn show(&self, name: &str) -> String {
        format!("| {name} | {} | {:.2} | {:.2} |\n", self.rate.show(0), self.p50.median(), self.p99.median())
    }
}

/// What clients do for a while, each on a connection of its own.
async fn sample(address: &str, lasting: Duration) -> anyhow::Result<Load> {
    let mut connections = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        connections.push(Mutex::new(Connection::open(address).await?));
    }
    let connections = Arc::new(connections);
    load::run(CLIENTS, lasting, move |client, number| {
        let connections = connections.clone();
        async move {
            let product = mixed(client as u64 * 1_000_000_007 + number) % PRODUCTS;
            connections[client].lock().await.get(product).await.map(drop)
        }
    })
    .await
}

/// What ours answers is what the peer read, product by product, and hello is as long.
async fn same(servers: &Servers) -> anyhow::Result<()> {
    let mut each = Vec::new();
    for address in [&servers.plain, &servers.bare, &servers.kept, &servers.hello] {
        each.push(Connection::open(address).await?);
    }
    for product in 0..PRODUCTS {
        let mut bodies = Vec::new();
        for connection in &mut each {
            bodies.push(connection.get(product).await.with_context(|| format!("product {product}"))?);
        }
        ensure!(bodies[0] == bodies[1] && bodies[0] == bodies[2], "product {product}: {bodies:?}");
        let (ours, hello) = (bodies[0].len() as f64, bodies[3].len() as f64);
        ensure!((0.5..2.0).contains(&(ours / hello)), "product {product} has {ours} bytes, nothing {hello}");
    }
    Ok(())
}
