//! Kafka crashes, stays away, and forgets what it had.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event_schemas::Context;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::postgres::shown_after;
use crate::scenario::{Scenario, Setting};
use crate::world::{PLANTED, World};

/// While the broker is away the views are fed from the stores, and may be so much later.
const LAG_WITHOUT_BROKER_MAX: Duration = Duration::from_secs(5);
/// Nobody waits longer for an answer because of a broker.
const SILENCE_MAX_MS: u64 = 1_000;
/// What is published after an outage must be so many times faster than what arrives.
const DRAIN_FACTOR: f64 = 5.0;
const ASK_MAX: Duration = Duration::from_secs(10);
/// How often the front of the topic is cut until the projector has met a gap.
const HEAD_CUTS_MAX: u32 = 10;

pub(crate) const KILLS: Scenario = Scenario {
    name: "kill-kafka",
    about: "SIGKILL of Apache Kafka under load; it comes back a moment later.",
    lands: &["kafka kills"],
    setting: Setting::USUAL,
    run: |world| Box::pin(kills(world)),
};

pub(crate) const AWAY: Scenario = Scenario {
    name: "broker-away",
    about: "Apache Kafka is away for long while commands arrive, the relay is killed meanwhile; then all is published.",
    lands: &["outages", "relays killed"],
    setting: Setting::USUAL,
    run: |world| Box::pin(away(world)),
};

pub(crate) const WIPED: Scenario = Scenario {
    name: "log-deleted",
    about: "Kafka ends and its log directory is deleted; a broker that knows nothing takes its place.",
    lands: &["deleted logs"],
    setting: Setting::USUAL,
    run: |world| Box::pin(wiped(world)),
};

pub(crate) const TAIL_CUT: Scenario = Scenario {
    name: "tail-cut",
    about: "Kafka crashes and the newest records of one partition, acknowledged before, are gone.",
    lands: &["bytes cut"],
    setting: Setting::USUAL,
    run: |world| Box::pin(tail_cut(world)),
};

pub(crate) const HEAD_CUT: Scenario = Scenario {
    name: "head-cut",
    about: "Records are deleted before a projector that stands still has read them.",
    lands: &["records deleted", "frozen", "gaps met"],
    setting: Setting::USUAL,
    run: |world| Box::pin(head_cut(world)),
};

async fn kills(world: &mut World<'_>) -> anyhow::Result<()> {
    world.go_on(1_000).await;
    for _ in 0..world.times(1, 20) {
        if !world.plan.null {
            world.servers.kafka.kill().await?;
            world.landed("kafka kills");
            world.go_on_between(50, 1_500).await;
            world.servers.kafka.begin().await?;
        }
        world.go_on_between(1_000, 2_500).await;
    }
    Ok(())
}

async fn away(world: &mut World<'_>) -> anyhow::Result<()> {
    let seconds = world.times(8, 600);
    world.go_on(1_000).await;
    let before = world.number(UNPUBLISHED).await?;
    if !world.plan.null {
        world.servers.kafka.kill().await?;
        world.landed("outages");
    }
    if let Some(load) = &world.load {
        load.stats().forget_silence();
    }
    let mut worst = Duration::ZERO;
    for second in 0..seconds {
        world.go_on(1_000).await;
        if second == seconds / 2 && !world.plan.null {
            // What it had handed over and nobody acknowledged must not be taken to be published.
            let index = world.index("relay");
            world.roles[index].kill().await?;
            world.landed("relays killed");
            let program = world.servers.program.clone();
            world.roles[index].spawn(&program)?;
        }
        worst = worst.max(shown_after(world).await?);
    }
    let silent = world.load.as_ref().map(|load| load.stats().summary().silent_ms).unwrap_or_default();
    world.figure("worst view lag without broker ms", worst.as_secs_f64() * 1_000.0);
    world.figure("longest silence of commands ms", silent as f64);
    if worst > LAG_WITHOUT_BROKER_MAX {
        world.violation(format!("without a broker a view was {} ms behind", worst.as_millis()));
    }
    if silent > SILENCE_MAX_MS {
        world.violation(format!("without a broker no command was answered for {silent} ms"));
    }
    let backlog = world.number(UNPUBLISHED).await? - before.max(0);
    world.figure("backlog events", backlog as f64);
    if !world.plan.null {
        world.servers.kafka.begin().await?;
        drained(world, backlog, f64::from(seconds)).await?;
    }
    Ok(())
}

/// Events that are not published yet, of all stores.
const UNPUBLISHED: &str = "select (select coalesce(max(position), 0) from es_orders.events)
    + (select coalesce(max(position), 0) from es_identity.events)
    - (select checkpoint from es_orders.relay) - (select checkpoint from es_identity.relay)";

/// Waits until the backlog is published, and compares the pace with that of what arrived.
async fn drained(world: &mut World<'_>, backlog: i64, seconds: f64) -> anyhow::Result<()> {
    const MAX: Duration = Duration::from_secs(120);
    // From when the first of it is published: finding the broker again is another matter.
    let begun = Instant::now();
    while world.number(UNPUBLISHED).await? >= backlog {
        anyhow::ensure!(begun.elapsed() < MAX, "nothing is published after the outage");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.figure("seconds until publishing", begun.elapsed().as_secs_f64());
    let drains = Instant::now();
    while world.number(UNPUBLISHED).await? > 200 {
        anyhow::ensure!(drains.elapsed() < MAX, "the backlog is not drained");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = drains.elapsed().as_secs_f64().max(0.01);
    let (arrived, drained) = (backlog as f64 / seconds, backlog as f64 / took);
    world.figure("drain events per second", drained);
    world.figure("drain factor", drained / arrived);
    if world.plan.long && drained < DRAIN_FACTOR * arrived {
        world.violation(format!("{drained:.0} events/s were published after the outage, {arrived:.0}/s had arrived"));
    }
    Ok(())
}

async fn wiped(world: &mut World<'_>) -> anyhow::Result<()> {
    world.go_on(2_500).await;
    for _ in 0..world.times(1, 5) {
        if !world.plan.null {
            world.servers.kafka.kill().await?;
            world.servers.kafka.wipe()?;
            world.servers.kafka.begin().await?;
            world.landed("deleted logs");
        }
        world.go_on_between(2_000, 4_000).await;
    }
    Ok(())
}

async fn tail_cut(world: &mut World<'_>) -> anyhow::Result<()> {
    world.go_on(2_000).await;
    for _ in 0..world.times(1, 3) {
        if !world.plan.null {
            world.servers.kafka.kill().await?;
            let partition = i32::try_from(world.dice.below(u64::try_from(event_schemas::PARTITIONS)?))?;
            let bytes = 500 + world.dice.below(20_000);
            let cut = world.servers.kafka.cut_tail(&world.topic(Context::Orders), partition, bytes)?;
            world.landed_times("bytes cut", cut);
            world.servers.kafka.begin().await?;
        }
        world.go_on_between(2_000, 4_000).await;
    }
    Ok(())
}

async fn head_cut(world: &mut World<'_>) -> anyhow::Result<()> {
    // A projector that stood still asks the store before it looks at the topic, and then there is no gap to be met.
    begin_projector(world, "without=silence").await?;
    world.go_on(1_500).await;
    let scissors = Scissors::new(world)?;
    let (rounds, mut round) = (world.times(2, 10), 0);
    while round < rounds || (round < HEAD_CUTS_MAX && !world.plan.null && gaps_met(world).await == 0) {
        round += 1;
        world.go_on(500).await;
        if !world.plan.null {
            world.role("projector").freeze(true);
            world.go_on(250).await;
            let frozen = world.role("projector").is_frozen();
            world.landed_times("frozen", u64::from(frozen));
            let deleted = scissors.cut().await?;
            world.landed_times("records deleted", deleted);
            // What comes now follows on records that nobody can read any more.
            world.go_on(150).await;
            world.role("projector").freeze(false);
        }
        world.go_on(500).await;
    }
    let gaps = gaps_met(world).await;
    world.landed_times("gaps met", gaps);
    begin_projector(world, "").await
}

/// Starts the projector again with something besides the planted mistake.
async fn begin_projector(world: &mut World<'_>, with: &str) -> anyhow::Result<()> {
    let index = world.index("projector");
    world.roles[index].stop().await?;
    world.tell(index, with);
    world.start(index).await.map(drop)
}

/// How often the projector met a record that follows on others which did not come. One that makes the planted mistake
/// does not count them, but says so.
async fn gaps_met(world: &mut World<'_>) -> u64 {
    let projector = world.role("projector");
    let planted = projector.said(PLANTED);
    projector.counted("handsel_projection_gaps_total").await + planted
}

/// Deletes records from the front of the topic of the orders.
struct Scissors {
    topic: String,
    reader: Arc<BaseConsumer>,
    admin: AdminClient<DefaultClientContext>,
}

impl Scissors {
    fn new(world: &World<'_>) -> anyhow::Result<Self> {
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", world.servers.kafka.brokers());
        Ok(Self { topic: world.topic(Context::Orders), reader: Arc::new(config.create()?), admin: config.create()? })
    }

    /// Deletes all that there is; says how many records.
    async fn cut(&self) -> anyhow::Result<u64> {
        let (reader, topic) = (self.reader.clone(), self.topic.clone());
        let bounds = tokio::task::spawn_blocking(move || {
            let bounds = |partition| reader.fetch_watermarks(&topic, partition, ASK_MAX);
            (0..event_schemas::PARTITIONS).map(bounds).collect()
        });
        let bounds: Result<Vec<(i64, i64)>, rdkafka::error::KafkaError> = bounds.await?;
        let (mut ends, mut deleted) = (TopicPartitionList::new(), 0);
        for (partition, (begin, end)) in (0..).zip(bounds?) {
            ends.add_partition_offset(&self.topic, partition, Offset::Offset(end))?;
            deleted += (end - begin).unsigned_abs();
        }
        self.admin.delete_records(&ends, &AdminOptions::new().operation_timeout(Some(ASK_MAX))).await?;
        Ok(deleted)
    }
}
