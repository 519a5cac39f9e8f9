//! One consumer per process reads each topic once and feeds every projection that keeps up.
//!
//! A projection has a seat with a bounded queue. When the queue is full it loses the seat, catches up from its store
//! and takes another one; so a slow projection never holds up the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use envelope::Recorded;
use event_schemas::Context;
use event_store::RawPayload;
use event_store::relay::reading::{RecordReader, Unreadable};
use futures::FutureExt as _;
use platform::clock;
use platform::telemetry::messaging;
use rdkafka::ClientConfig;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaResult;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::checkpoint::{Place, Stamp};
use crate::offsets::{Answers, Handed, TopicConsumer};

/// One poll hands out at most so many records, which become one transaction.
const POLL_RECORDS_MAX: usize = 1_000;
/// So many at once show that much comes, and more are worth waiting for.
const BUSY_RECORDS: usize = 8;
/// How long they are waited for, and how long while much has been coming.
const GATHER: Duration = Duration::from_millis(25);
const GATHER_WHILE_MUCH_COMES: Duration = Duration::from_millis(50);
/// A poll of so many records shows that much comes.
const MUCH_RECORDS: usize = 64;
/// A projection may lag behind the consumer by so many polls.
const QUEUE_POLLS_MAX: usize = 64;
/// Where a topic of which nothing is known yet is begun, counted from its end: what lies before is read from the store.
const TAIL_RECORDS: i64 = 1_000;

/// A record of a topic.
pub(crate) struct Incoming {
    pub(crate) topic: Arc<str>,
    pub(crate) stamp: Stamp,
    pub(crate) event: Recorded<RawPayload>,
}

/// What one poll brought.
pub(crate) type Poll = Arc<[Incoming]>;

/// Where projections take their seats.
#[derive(Clone)]
pub(crate) struct Feed {
    seats: Arc<Mutex<Vec<Seat>>>,
    group: Arc<str>,
    handed: Handed,
}

struct Seat {
    contexts: &'static [Context],
    queue: mpsc::Sender<Poll>,
}

/// How the consumer reads.
pub(crate) struct Consuming {
    pub(crate) kafka: ClientConfig,
    /// The broker forgets everything at its end and is read from its beginning.
    pub(crate) embedded: bool,
    /// The topic of each context.
    pub(crate) topics: BTreeMap<Context, String>,
    pub(crate) partitions: BTreeSet<i32>,
    /// Who waits for the consumer.
    pub(crate) opened: oneshot::Sender<Arc<TopicConsumer>>,
}

impl Feed {
    /// No seat is taken. The group is what the consumer is called at the broker and in traces.
    pub(crate) fn new(group: &str) -> Self {
        Self { seats: Arc::default(), group: group.into(), handed: Handed::default() }
    }

    pub(crate) fn group(&self) -> &str {
        &self.group
    }

    pub(crate) fn handed(&self) -> &Handed {
        &self.handed
    }

    /// Takes a seat. The queue ends when the projection falls behind.
    pub(crate) fn join(&self, contexts: &'static [Context]) -> mpsc::Receiver<Poll> {
        let (queue, polls) = mpsc::channel(QUEUE_POLLS_MAX);
        self.seats().push(Seat { contexts, queue });
        polls
    }

    fn hand_out(&self, poll: &Poll) {
        self.handed.note(poll.iter().map(|record| record.stamp));
        let wanted = |seat: &Seat| poll.iter().any(|record| seat.contexts.contains(&record.stamp.place.context));
        self.seats()
            .retain(|seat| !seat.queue.is_closed() && (!wanted(seat) || seat.queue.try_send(poll.clone()).is_ok()));
    }

    /// What a poll brought, as metrics and traces show it: a span for each topic.
    fn measure(&self, poll: &Poll, begun: Instant) -> Vec<Span> {
        let of = |topic| poll.iter().filter(move |record| Arc::ptr_eq(&record.topic, topic));
        let mut topics: Vec<&Arc<str>> = Vec::new();
        for record in poll.iter() {
            if !topics.iter().any(|topic| Arc::ptr_eq(topic, &record.topic)) {
                topics.push(&record.topic);
            }
        }
        let span = |topic| {
            let count = of(topic).count() as u64;
            messaging::polled(topic, &self.group, count, begun);
            let causes = of(topic).map(|record| record.event.cause.traceparent.as_deref());
            messaging::poll(topic, &self.group, count, causes)
        };
        topics.into_iter().map(span).collect()
    }

    fn seats(&self) -> std::sync::MutexGuard<'_, Vec<Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the topics until the end of the process.
    pub(crate) async fn run(self, consuming: Consuming, views: PgPool, shutdown: CancellationToken) {
        let consumer = match consuming.start(&self.group, &views).await {
            Ok(consumer) => Arc::new(consumer),
            Err(error) => {
                tracing::error!(%error, "No consumer could be made; projections read the stores alone");
                return;
            }
        };
        // Nobody waits any more if the process ends.
        let _unwanted = consuming.opened.send(consumer.clone());
        let named = |(context, topic): (&Context, &String)| (topic.clone(), reader(topic, *context));
        let mut topics: Topics = consuming.topics.iter().map(named).collect();
        let mut gather_for = GATHER;
        loop {
            let first = tokio::select! {
                () = shutdown.cancelled() => return,
                first = consumer.recv() => first,
            };
            let begun = clock::monotonic();
            let mut records = Vec::new();
            take(first, &mut topics, &mut records);
            while records.len() < POLL_RECORDS_MAX
                && let Some(next) = consumer.recv().now_or_never()
            {
                take(next, &mut topics, &mut records);
            }
            if records.len() >= BUSY_RECORDS {
                gather(gather_for, &consumer, &mut topics, &mut records).await;
            }
            gather_for = if records.len() >= MUCH_RECORDS { GATHER_WHILE_MUCH_COMES } else { GATHER };
            if !records.is_empty() {
                let poll = records.into();
                let _span = self.measure(&poll, begun);
                self.hand_out(&poll);
            }
        }
    }
}

/// Waits a moment for more where much comes: each poll is a transaction of each projection, and a transaction of ten
/// rows costs Postgres nearly what one of a hundred does. Where little comes nothing waits.
async fn gather(lasting: Duration, consumer: &TopicConsumer, topics: &mut Topics, records: &mut Vec<Incoming>) {
    let end = tokio::time::Instant::now() + lasting;
    while records.len() < POLL_RECORDS_MAX
        && let Ok(next) = tokio::time::timeout_at(end, consumer.recv()).await
    {
        take(next, topics, records);
    }
}

impl Consuming {
    async fn start(&self, group: &str, views: &PgPool) -> anyhow::Result<TopicConsumer> {
        let mut config = self.kafka.clone();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.error.backoff.ms", "50")
            .set("topic.metadata.refresh.interval.ms", "30000")
            .set("queued.max.messages.kbytes", "16384");
        if config.get("fetch.wait.max.ms").is_none() {
            // The embedded broker sleeps for so long even with data in hand, and waits for it before; others answer at
            // once.
            config.set("fetch.wait.max.ms", if self.embedded { "2" } else { "500" });
        }
        let consumer: TopicConsumer = config.create_with_context(Answers)?;
        let known = if self.embedded { vec![] } else { known_offsets(views).await? };
        let mut list = TopicPartitionList::new();
        for (context, topic) in &self.topics {
            for partition in &self.partitions {
                let place = Place { context: *context, partition: *partition };
                let offset = match known.iter().find(|(known, _)| *known == place) {
                    _ if self.embedded => Offset::Beginning,
                    Some((_, offset)) => Offset::Offset(offset + 1),
                    None => Offset::OffsetTail(TAIL_RECORDS),
                };
                list.add_partition_offset(topic, *partition, offset)?;
            }
        }
        consumer.assign(&list)?;
        Ok(consumer)
    }
}

/// Where the projection that is furthest behind has come to. Only a hint: the filter and the store make up for a wrong
/// one.
async fn known_offsets(views: &PgPool) -> sqlx::Result<Vec<(Place, i64)>> {
    let rows: Vec<(String, i32, i64)> = sqlx::query_as(
        "select context, partition, min(topic_offset) from read.checkpoints
           join read.generations using (projection, generation)
          where state = 'live' and topic_offset is not null group by context, partition",
    )
    .fetch_all(views)
    .await?;
    let place = |(context, partition, offset): (String, i32, i64)| {
        Some((Place { context: context.parse().ok()?, partition }, offset))
    };
    Ok(rows.into_iter().filter_map(place).collect())
}

/// What reads the records of each topic.
type Topics = BTreeMap<String, (Arc<str>, Context, RecordReader)>;

fn reader(topic: &str, context: Context) -> (Arc<str>, Context, RecordReader) {
    (topic.into(), context, RecordReader::new(context.name().into()))
}

/// A record that cannot be read is left out: the next one shows the gap, which the store fills.
fn take(message: KafkaResult<BorrowedMessage<'_>>, topics: &mut Topics, records: &mut Vec<Incoming>) {
    let message = match message {
        Ok(message) => message,
        Err(error) => {
            tracing::debug!(%error, "The consumer met an error and goes on");
            return;
        }
    };
    let Some((topic, context, reader)) = topics.get_mut(message.topic()) else { return };
    match incoming(topic, *context, reader, &message) {
        Ok(record) => records.push(record),
        Err(error) => tracing::warn!(
            topic = message.topic(),
            partition = message.partition(),
            offset = message.offset(),
            %error,
            "Left out a record that is not one of ours"
        ),
    }
}

fn incoming(
    topic: &Arc<str>,
    context: Context,
    reader: &mut RecordReader,
    message: &BorrowedMessage<'_>,
) -> Result<Incoming, Unreadable> {
    let delivered = reader.read(message)?;
    let stamp = Stamp {
        place: Place { context, partition: message.partition() },
        history: delivered.history,
        previous: delivered.previous,
        position: delivered.event.position,
        event_id: delivered.event.event_id,
        offset: message.offset(),
    };
    Ok(Incoming { topic: topic.clone(), stamp, event: delivered.event })
}
