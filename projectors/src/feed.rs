//! One consumer per process reads each topic once and feeds every projection that keeps up.
//!
//! A projection has a seat with a bounded queue. When the queue is full it loses the seat, catches up from its store
//! and takes another one; so a slow projection never holds up the others.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use envelope::Recorded;
use event_schemas::Context;
use event_store::RawPayload;
use futures::FutureExt as _;
use platform::clock;
use platform::telemetry::messaging;
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::checkpoint::Stamp;
use crate::consumer::Consuming;
use crate::offsets::{Handed, TopicConsumer};
use crate::records::Records;
use crate::refusals::Refusals;

/// One poll hands out at most so many records, which become one transaction.
const POLL_RECORDS_MAX: usize = 1_000;
/// So many at once show that much comes, and more are worth waiting for.
const BUSY_RECORDS: usize = 8;
/// How long they are waited for, and how long while much has been coming.
const GATHER: Duration = Duration::from_millis(25);
const GATHER_WHILE_MUCH_COMES: Duration = Duration::from_millis(50);
/// A poll of so many records shows that much comes.
const MUCH_RECORDS: usize = 64;
/// A poll ends when its records take so much memory.
const POLL_BYTES_MAX: usize = 1 << 20;
/// A projection may lag behind the consumer by so many polls.
const QUEUE_POLLS_MAX: usize = 64;
/// A consumer that the broker refuses is made anew after so long.
const REFUSED_MAX: Duration = Duration::from_secs(5);

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
    refusals: Refusals,
}

struct Seat {
    contexts: &'static [Context],
    queue: mpsc::Sender<Poll>,
}

impl Feed {
    /// No seat is taken. The group is what the consumer is called at the broker and in traces.
    pub(crate) fn new(group: &str) -> Self {
        Self { seats: Arc::default(), group: group.into(), handed: Handed::default(), refusals: Refusals::default() }
    }

    pub(crate) fn group(&self) -> &str {
        &self.group
    }

    pub(crate) fn handed(&self) -> &Handed {
        &self.handed
    }

    pub(crate) fn refusals(&self) -> &Refusals {
        &self.refusals
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
    fn measure(&self, poll: &Poll, begun: std::time::Instant) -> Vec<Span> {
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

    /// Reads the topics until the end of the process. A consumer that the broker refuses is made anew after a while: it
    /// would not notice that it may read now.
    pub(crate) async fn run(self, consuming: Consuming, views: PgPool, shutdown: CancellationToken) {
        let reading = async {
            loop {
                let consumer = Arc::new(consuming.open(&self.group, &views, &self.refusals).await);
                // Nobody listens any more if the process ends.
                _ = consuming.opened.send_replace(Some(consumer.clone()));
                self.read(&consumer, consuming.records()).await;
                _ = consuming.opened.send_replace(None);
                // It blocks until it has taken its leave.
                tokio::task::spawn_blocking(move || drop(consumer));
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = reading => {}
        }
    }

    /// Returns when the broker has refused for a while.
    async fn read(&self, consumer: &TopicConsumer, mut records: Records) {
        let mut gather_for = GATHER;
        let mut refused = None;
        loop {
            let first = match refused {
                Some(until) => match timeout_at(until, consumer.recv()).await {
                    Ok(first) => first,
                    Err(_) => return,
                },
                None => consumer.recv().await,
            };
            let begun = clock::monotonic();
            records.take(first);
            while records.len() < POLL_RECORDS_MAX
                && records.bytes() < POLL_BYTES_MAX
                && let Some(next) = consumer.recv().now_or_never()
            {
                records.take(next);
            }
            if records.len() >= BUSY_RECORDS {
                gather(gather_for, consumer, &mut records).await;
            }
            gather_for = if records.len() >= MUCH_RECORDS { GATHER_WHILE_MUCH_COMES } else { GATHER };
            if let Some(refusal) = records.refusal() {
                self.refusals.note(refusal, clock::monotonic());
                refused = refused.or_else(|| Some(Instant::now() + REFUSED_MAX));
            }
            let poll: Poll = records.poll().into();
            if !poll.is_empty() {
                let _span = self.measure(&poll, begun);
                self.hand_out(&poll);
            }
        }
    }
}

/// Waits a moment for more where much comes: each poll is a transaction of each projection, and a transaction of ten
/// rows costs Postgres nearly what one of a hundred does. Where little comes nothing waits.
async fn gather(lasting: Duration, consumer: &TopicConsumer, records: &mut Records) {
    let end = Instant::now() + lasting;
    while records.len() < POLL_RECORDS_MAX
        && records.bytes() < POLL_BYTES_MAX
        && let Ok(next) = timeout_at(end, consumer.recv()).await
    {
        records.take(next);
    }
}
