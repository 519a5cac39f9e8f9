//! One-event commands in process, ours beside `postgres-es` on the same server.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use envelope::{Cause, Position};
use event_store::{Ask, Commands, Store, StoreConfig};
use uuid::Uuid;

use crate::Options;
use crate::cells::{self, Cell};
use crate::load::{self, Load};
use crate::peer::Peer;
use crate::program::Place;
use crate::till::{self, Till};

const CONTEXT: &str = "bench";

/// A row of the table.
struct Shape {
    name: &'static str,
    clients: usize,
    hot: bool,
}

const SHAPES: [Shape; 4] = [
    Shape { name: "new aggregates, 1 client", clients: 1, hot: false },
    Shape { name: "new aggregates, 16 clients", clients: 16, hot: false },
    Shape { name: "new aggregates, 64 clients", clients: 64, hot: false },
    Shape { name: "one hot aggregate, 64 clients", clients: 64, hot: true },
];

#[derive(Default)]
struct Row {
    ours: Cell,
    peer: Cell,
    ratio: Cell,
    ours_p50_ms: Cell,
    ours_p99_ms: Cell,
    peer_p50_ms: Cell,
    peer_p99_ms: Cell,
    conflicts_per_s: Cell,
}

pub(crate) async fn run(options: &Options, place: &Place) -> anyhow::Result<String> {
    let (server, url) = place.postgres().await?;
    let config = StoreConfig::new(CONTEXT, &url);
    Store::migrate(&config).await?;
    let store = Store::open(config).await?;
    let ours = Arc::new(store.commands::<Till>((), Vec::new()));
    let peer = Peer::open(&url).await?;
    let begun_at = store.reader().head().await?.position;
    let lasting = Duration::from_secs(options.sample_s);
    let (mut rows, mut done) = (SHAPES.map(|_| Row::default()), (0, 0));
    // The first round warms up: plans, caches, files. It counts as events but not as samples.
    for pair in 0..=options.pairs {
        for (shape, row) in SHAPES.iter().zip(&mut rows) {
            let (a, b) = pair_of(shape, &ours, &peer, lasting, pair % 2 == 0).await?;
            done = (done.0 + a.done, done.1 + b.done);
            let conflicts = peer.take_conflicts() as f64 / b.elapsed.as_secs_f64();
            eprintln!("append: round {pair}, {}: {:.0} / {:.0} per s", shape.name, a.per_second(), b.per_second());
            if pair > 0 {
                row.add(&a, &b, conflicts);
            }
        }
    }
    check(&store, begun_at, &peer, done).await?;
    let settings = server_settings(&url).await?;
    if let Some(server) = server {
        server.stop().await?;
    }
    Ok(table(options, &settings, &rows))
}

impl Row {
    fn add(&mut self, ours: &Load, peer: &Load, conflicts_per_s: f64) {
        self.ours.add(ours.per_second());
        self.peer.add(peer.per_second());
        self.ratio.add(ours.per_second() / peer.per_second());
        self.ours_p50_ms.add(cells::ms(&ours.latencies, 50.0));
        self.ours_p99_ms.add(cells::ms(&ours.latencies, 99.0));
        self.peer_p50_ms.add(cells::ms(&peer.latencies, 50.0));
        self.peer_p99_ms.add(cells::ms(&peer.latencies, 99.0));
        self.conflicts_per_s.add(conflicts_per_s);
    }
}

/// One sample of each, in changing order.
async fn pair_of(
    shape: &Shape,
    ours: &Arc<Commands<Till>>,
    peer: &Peer,
    lasting: Duration,
    ours_first: bool,
) -> anyhow::Result<(Load, Load)> {
    let hot = shape.hot.then(|| Uuid::now_v7().to_string());
    let aggregate = move || hot.clone().unwrap_or_else(|| Uuid::now_v7().to_string());
    let (commands, other, name) = (Arc::clone(ours), peer.clone(), aggregate.clone());
    let sample_ours = async {
        load::run(shape.clients, lasting, move |_, _| {
            let (commands, id) = (Arc::clone(&commands), name());
            async move {
                let ask = Ask::new(Cause::new("bench", Uuid::nil()));
                let done = commands.execute(&id, till::deposit(), ask).await;
                done.map(drop).map_err(|refused| anyhow::anyhow!("refused: {refused:?}"))
            }
        })
        .await
    };
    let sample_peer = async {
        load::run(shape.clients, lasting, move |_, _| {
            let (other, id) = (other.clone(), aggregate());
            async move { other.execute(&id).await }
        })
        .await
    };
    if ours_first {
        let ours = sample_ours.await?;
        Ok((ours, sample_peer.await?))
    } else {
        let peer = sample_peer.await?;
        Ok((sample_ours.await?, peer))
    }
}

/// What was acknowledged is stored, on both sides, and our chain holds.
async fn check(store: &Store, begun_at: Position, peer: &Peer, done: (u64, u64)) -> anyhow::Result<()> {
    let head = store.reader().head().await?.position;
    let ours = u64::try_from(head.get() - begun_at.get())?;
    ensure!(ours == done.0, "{} commands were acknowledged, {ours} events are stored", done.0);
    let theirs = peer.stored().await?;
    ensure!(theirs == done.1, "{} commands were acknowledged by postgres-es, {theirs} events are stored", done.1);
    let report = event_store::verify::store(&store.reader(), |_, _| {}).await.context("verifying the store")?;
    ensure!(report.violations.is_empty(), "the store is damaged: {:?}", report.violations.first());
    Ok(())
}

async fn server_settings(url: &str) -> anyhow::Result<String> {
    let pool = sqlx::PgPool::connect(url).await?;
    let mut settings = Vec::new();
    for name in ["server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers"] {
        let value: String = sqlx::query_scalar(&format!("show {name}")).fetch_one(&pool).await?;
        settings.push(format!("{name} {value}"));
    }
    Ok(settings.join(", "))
}

fn table(options: &Options, settings: &str, rows: &[Row]) -> String {
    let mut text = format!(
        "Commands per second that were answered after their commit; {} pairs of {} s, interleaved.\n\
         Postgres: {settings}.\n\
         Peer: postgres-es 0.5.0, event store, pool of 10 as in its documentation, repeating after a conflict.\n\n\
         | | Handsel | postgres-es | ratio | p50 / p99 ms | postgres-es p50 / p99 ms | its conflicts per s |\n\
         |---|---|---|---|---|---|---|\n",
        options.pairs, options.sample_s,
    );
    for (shape, row) in SHAPES.iter().zip(rows) {
        text.push_str(&format!(
            "| {} | {} | {} | **{}** | {:.2} / {:.2} | {:.2} / {:.2} | {:.0} |\n",
            shape.name,
            row.ours.show(0),
            row.peer.show(0),
            row.ratio.show(1),
            row.ours_p50_ms.median(),
            row.ours_p99_ms.median(),
            row.peer_p50_ms.median(),
            row.peer_p99_ms.median(),
            row.conflicts_per_s.median(),
        ));
    }
    text.push_str(
        "\nAfterwards the store held exactly what was acknowledged, and its chain verified. \
         `~` marks samples that differ by more than a tenth.",
    );
    text
}
