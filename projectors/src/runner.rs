//! Runs the projections of this process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use event_schemas::{Context, PARTITIONS};
use event_store::keys::KeyRing;
use platform::postgres::{PoolSettings, pool_lazy};
use platform::progress::Progress;
use platform::readiness::Check;
use platform::settings::Secret;
use rdkafka::ClientConfig;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::consumer::Consuming;
use crate::feed::Feed;
use crate::follower::{Follower, partitions_of};
use crate::health;
use crate::in_use::InUse;
use crate::lag::{self, Pulse, Shown};
use crate::offsets::{Publishing, TopicConsumer};
use crate::projection::{Order, ReadModel};
use crate::registry::{READ_MODELS, find};
use crate::share::{Held, Keeper, Wanted};
use crate::store_watch::Watched;
use crate::stores::Stores;
use crate::writer::Writer;

/// Connections that projections share: each holds one while it writes a batch.
const CONNECTIONS_MAX: u32 = 8;
/// How long a process that was frozen in a transaction keeps others from its projections.
const IDLE_IN_TRANSACTION_MAX: Duration = Duration::from_secs(10);

/// What a process that projects wants to know.
#[derive(Clone)]
pub struct Config {
    /// The database of the views. It must not lead through a pooler: the locks of this process live on a connection.
    pub views_url: Secret,
    /// How clients reach Kafka; `None`: the stores alone, with more delay.
    pub kafka: Option<ClientConfig>,
    /// The topic of each context; a context that is not here goes by its usual name.
    pub topics: BTreeMap<Context, String>,
    /// The consumer group under whose name lag tools find how far the projections are. Instances that share a Kafka
    /// have groups of their own.
    pub group: String,
    /// The broker is the embedded one, which is read from its beginning.
    pub embedded_broker: bool,
    /// The partitions to follow; `None`: whatever is free.
    pub partitions: Option<BTreeSet<i32>>,
    /// The read models to follow; `None`: all whose contexts have a store here.
    pub only: Option<Vec<String>>,
    /// Where to say that a person is needed, and why.
    pub check: Option<Check>,
}

/// Follows the read models until `shutdown`. What is away is waited for; nothing ends it early.
///
/// # Errors
/// If a read model is unknown, a partition does not exist, or the URL of the views cannot be read.
pub async fn run(
    config: Config,
    stores: Stores,
    keys: Option<KeyRing>,
    progress: Progress,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let models = models(&config, &stores)?;
    let share: Vec<i32> = match &config.partitions {
        Some(partitions) => partitions.iter().copied().collect(),
        None => (0..PARTITIONS).collect(),
    };
    if let Some(partition) = share.iter().find(|partition| !(0..PARTITIONS).contains(partition)) {
        anyhow::bail!("there is no partition {partition}; there are 0 to {}", PARTITIONS - 1);
    }
    let views = views_pool(&config.views_url)?;
    let process = Uuid::now_v7();
    let watched = Watched::start(&stores, &progress, &shutdown);
    let feed = Feed::new(&config.group);
    let mut tasks = JoinSet::new();

    let (to, held) = watch::channel(Held::new());
    let partitions =
        models.iter().flat_map(|model| partitions_of(model, &share).into_iter().map(|one| (model.name, one)));
    let wanted = Wanted { process, partitions: partitions.collect(), explicit: config.partitions.is_some() };
    let in_use = InUse::new();
    let keeper = Keeper { url: config.views_url.expose().to_owned(), wanted, in_use: in_use.clone(), to };
    tasks.spawn(keeper.keep(shutdown.clone()));
    let followed: Vec<_> = models.into_iter().map(|model| (model, Pulse::default())).collect();
    if let Some(kafka) = &config.kafka {
        let (opened, consumer) = watch::channel(None);
        let consuming = consuming(kafka, &config, &stores, &followed, opened);
        let (topics, handed) = (consuming.topics.clone(), feed.handed().clone());
        let publishing = Publishing { consumer, topics, handed, followed: followed.clone() };
        tasks.spawn(feed.clone().run(consuming, views.clone(), shutdown.clone()));
        tasks.spawn(publishing.run(shutdown.clone()));
    }
    let writer = Writer::start(views.clone());
    let (to_shown, shown) = watch::channel(Shown::new());
    for (model, pulse) in &followed {
        let follower = Follower {
            model,
            views: views.clone(),
            writer: writer.clone(),
            stores: stores.clone(),
            keys: keys.clone(),
            progress: progress.clone(),
            feed: feed.clone(),
            watched: watched.clone(),
            held: held.clone(),
            in_use: in_use.clone(),
            shown: shown.clone(),
            pulse: pulse.clone(),
            shutdown: shutdown.clone(),
        };
        tasks.spawn(follower.run());
    }
    if let Some(check) = config.check {
        tasks.spawn(health::report(check, followed.clone(), feed.refusals().clone(), shown, shutdown.clone()));
    }
    tasks.spawn(lag::report(views, process, followed, stores, watched, to_shown, shutdown));
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    Ok(())
}

/// What the consumer reads: a view that is read in order wants to hear of every partition.
fn consuming(
    kafka: &ClientConfig,
    config: &Config,
    stores: &Stores,
    followed: &[(&'static ReadModel, Pulse)],
    opened: watch::Sender<Option<Arc<TopicConsumer>>>,
) -> Consuming {
    let topic = |context: Context| {
        let named = config.topics.get(&context);
        (context, named.cloned().unwrap_or_else(|| context.topic().to_owned()))
    };
    let partitions = match &config.partitions {
        Some(share) if followed.iter().all(|(model, _)| model.order != Order::Store) => share.clone(),
        Some(_) | None => (0..PARTITIONS).collect(),
    };
    let (kafka, topics) = (kafka.clone(), stores.contexts().map(topic).collect());
    Consuming { kafka, embedded: config.embedded_broker, topics, partitions, opened }
}

/// Rows and checkpoints vanish together in a crash of Postgres, and the checkpoint is compared: so commits need not
/// wait.
pub(crate) fn views_pool(url: &Secret) -> anyhow::Result<PgPool> {
    let mut settings = PoolSettings::new("handsel projector")
        .connections_max(CONNECTIONS_MAX)
        .by_key()
        .idle_in_transaction_max(IDLE_IN_TRANSACTION_MAX);
    settings.synchronous_commit = false;
    Ok(pool_lazy(url, &settings)?)
}

fn models(config: &Config, stores: &Stores) -> anyhow::Result<Vec<&'static ReadModel>> {
    let here: BTreeSet<_> = stores.contexts().collect();
    let feedable = |model: &&'static ReadModel| model.contexts.iter().all(|context| here.contains(context));
    match &config.only {
        None => Ok(READ_MODELS.iter().filter(feedable).collect()),
        Some(names) => names
            .iter()
            .map(|name| {
                let model = find(name)?;
                anyhow::ensure!(feedable(&model), "`{name}` reads contexts whose stores this process does not have");
                Ok(model)
            })
            .collect(),
    }
}
