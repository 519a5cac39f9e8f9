//! Measures what the system does on this machine and writes it into `docs/performance.md`.
//!
//! Every part ends by checking that what it measured is also right; a wrong run has no figure.

mod append;
mod cells;
mod fill;
mod import;
mod load;
mod machine;
mod memory;
mod orders;
mod peer;
mod products;
mod program;
mod rebuild;
mod report;
mod search;
mod shop;
mod till;
mod timers;
mod visible;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

/// What runs in this process allocates as the program does, and so do its peers.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Handsel on this machine and writes the tables of docs/performance.md.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Options {
    /// What to measure.
    #[arg(value_enum, default_value = "all")]
    part: Part,
    /// Seconds of each sample in `append`.
    #[arg(long, default_value_t = 3)]
    sample_s: u64,
    /// How many interleaved pairs `append` takes.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// How many events `rebuild` and `memory` work with.
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// How many products `search` works with.
    #[arg(long, default_value_t = 100_000)]
    products: usize,
    /// The purchases to import; without it, made-up ones of the same shape.
    #[arg(long, env = "HANDSEL_CDNOW")]
    cdnow: Option<PathBuf>,
    /// An Apache Kafka for the parts that compare both brokers; without it they say that they left it out.
    #[arg(long, env = "KAFKA_BROKERS")]
    brokers: Option<String>,
    /// Where the report is written; `-` prints it only.
    #[arg(long, default_value = "docs/performance.md")]
    report: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Part {
    All,
    Append,
    Import,
    Rebuild,
    Visible,
    Memory,
    Search,
    Orders,
    Timers,
    Products,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok()
        .context("a crypto provider was installed before")?;
    let options = Options::parse();
    let wanted = |part: Part| options.part == part || options.part == Part::All;
    let place = program::Place::new()?;
    let mut report = report::Report::open(&options.report, machine::describe(place.path())?)?;
    if wanted(Part::Append) {
        report.put("append", &append::run(&options, &place).await?)?;
    }
    if wanted(Part::Search) {
        report.put("search", &search::run(&options, &place).await?)?;
    }
    if wanted(Part::Orders) {
        report.put("orders", &orders::run(&options, &place).await?)?;
    }
    if wanted(Part::Timers) {
        report.put("timers", &timers::run(&options, &place).await?)?;
    }
    if !matches!(options.part, Part::Append | Part::Search | Part::Orders | Part::Timers | Part::Products) {
        program::build()?;
    }
    if wanted(Part::Import) {
        report.put("import", &import::run(&options, &place).await?)?;
    }
    if wanted(Part::Visible) {
        report.put("visible", &visible::run(&options, &place).await?)?;
    }
    if wanted(Part::Rebuild) || wanted(Part::Memory) {
        let filled = fill::run(&options, &place).await?;
        if wanted(Part::Rebuild) {
            report.put("rebuild", &rebuild::run(&options, &filled).await?)?;
        }
        if wanted(Part::Memory) {
            report.put("memory", &memory::run(&options, &place, &filled).await?)?;
        }
    }
    // It logs from here on, as the program does.
    if wanted(Part::Products) {
        report.put("products", &products::run(&options, &place).await?)?;
    }
    Ok(())
}
