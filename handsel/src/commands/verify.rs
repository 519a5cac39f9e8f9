//! `handsel verify`

mod signed;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use event_schemas::Context;
use event_store::Store;
use verifier::{Begun, Journal, Options, Report, StoreOf, Subject, Topics, plain, verify_all};

use crate::instance::{Instance, Running};
use crate::migrate::store_config;
use crate::output;
use crate::settings::Settings;
use crate::spine::Spine;

/// Walks every store from its first event: positions without gap, sequences without hole, the chain of hashes, time
/// that never goes back. Compares it with the heads that were signed of it, which shows whether the newest events were
/// cut off or an older copy was restored. Then reads every topic from its beginning: each event that the relay had
/// acknowledged, as the store has it, in an order that a reader can follow. With --all it goes on: facts that cannot be
/// changed, the ledger, snapshots, checkpoints, every read model against an oracle and against a rebuild, queries with
/// tokens. Exit code 1 if anything does not hold.
#[derive(Args, Debug)]
pub struct Verify {
    /// Check everything, one line for each check.
    #[arg(long)]
    all: bool,

    /// What a client outside was answered, a JSON object a line: it must all be there, once.
    #[arg(long, value_name = "FILE", requires = "all")]
    acknowledged: Option<PathBuf>,

    /// No other client wrote: what the journal does not account for must not be there.
    #[arg(long, requires = "acknowledged")]
    complete: bool,

    /// Where queries are answered; may be repeated. [default: the `up` that runs on the data folder]
    #[arg(long = "api", value_name = "URL", requires = "all")]
    apis: Vec<String>,

    /// Nothing is under way: the topics must have every event.
    #[arg(long, requires = "all")]
    quiesced: bool,

    /// How long relay and read models may take to reach what the stores hold.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    settle_max_s: u64,

    /// How to print what was found.
    #[arg(long, value_enum, default_value_t, requires = "all")]
    format: Format,

    #[command(flatten)]
    settings: Settings,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for each check, and its evidence.
    #[default]
    Text,
    /// One object.
    Json,
}

impl Verify {
    /// Verifies.
    ///
    /// # Errors
    /// If a database or the broker is away. What does not hold is printed, not an error.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let running = Running::read(&self.settings.data.directory()).ok().filter(Running::is_alive);
        // A database that was named may be another one than that of the `up` on the data folder.
        let named = self.settings.database.url()?;
        let its_own = |running: &Running| named.as_ref().is_none_or(|url| url.expose() == running.database_url);
        let options = self.options(running.filter(its_own));
        let (instance, servers) = Instance::attach(self.settings).await?;
        let holds = match self.all {
            true => everything(&instance, options, self.format).await,
            false => walk(&instance).await,
        };
        servers.stop().await?;
        Ok(if holds? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn options(&self, running: Option<Running>) -> Options {
        let journal = |file: &PathBuf| Journal { file: file.clone(), complete: self.complete };
        let apis = match running {
            Some(running) if self.apis.is_empty() => vec![running.url],
            Some(_) | None => self.apis.clone(),
        };
        Options {
            acknowledged: self.acknowledged.as_ref().map(journal),
            apis,
            quiesced: self.quiesced,
            settle_max: Duration::from_secs(self.settle_max_s),
        }
    }
}

async fn walk(instance: &Instance) -> anyhow::Result<bool> {
    let topics = topics(instance)?;
    let (mut holds, mut say) = (true, |line: String| output::line(line));
    for context in Context::ALL {
        let store = Store::open(store_config(&instance.urls, context)).await?;
        let reader = store.reader();
        holds &= plain::store(context, &reader, &mut say).await?;
        holds &= signed::walk(instance, context, &reader).await?;
        holds &= plain::topic(context, &reader, topics.as_ref(), &mut say).await?;
    }
    Ok(holds)
}

async fn everything(instance: &Instance, options: Options, format: Format) -> anyhow::Result<bool> {
    let subject = subject(instance, options).await?;
    let mut checks = verify_all(&subject).await.checks;
    for (context, store) in &subject.stores {
        checks.push(signed::check(instance, *context, &store.reader).await);
    }
    let report = Report::new(checks);
    match format {
        Format::Text => output::line(&report)?,
        Format::Json => output::line(serde_json::to_string_pretty(&report)?)?,
    }
    Ok(report.holds)
}

/// An instance, open to be verified.
///
/// # Errors
/// If a database is away or was not migrated.
pub async fn subject(instance: &Instance, options: Options) -> anyhow::Result<Subject> {
    let spine = Spine::open(instance, &Context::ALL).await?;
    let mut stores = std::collections::BTreeMap::new();
    for (context, store) in &spine.stores {
        stores.insert(*context, StoreOf::open(store.reader(), &instance.urls.stores[context]).await?);
    }
    Ok(Subject {
        stores,
        views: spine.views()?.clone(),
        views_url: instance.urls.views.clone(),
        keys: spine.keys.clone(),
        tokens: spine.tokens()?.clone(),
        topics: topics(instance)?,
        options,
        begun: Begun::default(),
    })
}

fn topics(instance: &Instance) -> anyhow::Result<Option<Topics>> {
    if instance.kafka.brokers.is_none() {
        return Ok(None);
    }
    let kafka = platform::kafka::client_config(&instance.kafka)?;
    let names = Context::ALL.map(|context| (context, instance.settings.topics.topic(context))).into();
    Ok(Some(Topics { kafka, names }))
}
