//! A Redis that processes share: asked for a moment, and left alone while it does not answer.
//!
//! Nothing depends on it. Who asks gets an answer within [`ANSWER_MAX`] or does without; after the first failure nobody
//! asks any more until [`Redis::tend`] has heard of it again. What is to be kept is put into a short queue, so that
//! nobody waits for that.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use platform::readiness::Check;
use platform::settings::Secret;
use redis::aio::MultiplexedConnection;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};

/// How long a reader waits for it.
const ANSWER_MAX: Duration = Duration::from_millis(25);
/// How long connecting to it, and writing to it, may take.
const WORK_MAX: Duration = Duration::from_secs(1);
/// How often it is asked whether it is there while nobody else asks.
const PING_EVERY: Duration = Duration::from_secs(2);
/// How long it is left alone after it failed, the first time and at most.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Who answers for so long is well again.
const WELL_AFTER: Duration = Duration::from_secs(10);
/// How many values wait to be kept; more are not kept.
const QUEUE_MAX: usize = 256;
/// How many are written at once.
const BATCH_MAX: usize = 64;
/// A longer value is not kept.
const VALUE_BYTES_MAX: usize = 256 * 1024;
/// How long a value is kept, which bounds what Redis holds.
const TTL: Duration = Duration::from_secs(3600);

/// One Redis. Cheap to clone.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    client: redis::Client,
    /// There while it answers.
    connection: Mutex<Option<MultiplexedConnection>>,
    /// Why there is none.
    why: Mutex<String>,
    lost: Notify,
    queue: mpsc::Sender<Value>,
    waiting: tokio::sync::Mutex<mpsc::Receiver<Value>>,
}

/// What is to be kept, under its key.
type Value = (String, Vec<u8>);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// It was not asked, because it failed a moment ago.
    NotAsked,
    /// It failed now.
    Failed,
}

impl Redis {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// If the URL is none of a Redis.
    pub fn at(url: &Secret) -> redis::RedisResult<Self> {
        let client = redis::Client::open(url.expose())?;
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let (connection, why, lost) = Default::default();
        let waiting = tokio::sync::Mutex::new(waiting);
        Ok(Self(Arc::new(Inner { client, connection, why, lost, queue, waiting })))
    }

    /// What is kept under this key.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Bytes>, NoAnswer> {
        let Some(mut connection) = self.connection() else { return Err(NoAnswer::NotAsked) };
        let answer = timeout(ANSWER_MAX, redis::cmd("GET").arg(key).query_async(&mut connection)).await;
        answered(ANSWER_MAX, answer).map_err(|why| {
            self.lose(why);
            NoAnswer::Failed
        })
    }

    /// Keeps a value if there is room in the queue.
    pub(crate) fn put(&self, key: String, value: Vec<u8>) {
        if self.connection().is_none() {
            return;
        }
        if value.len() > VALUE_BYTES_MAX || self.0.queue.try_send((key, value)).is_err() {
            writes_total(LEFT_OUT).increment(1);
        }
    }

    /// Whether it answered when it was asked last.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.connection().is_some()
    }

    /// Connects, writes what is to be kept, and connects again whenever it was away. Never ends. The check passes
    /// always: nobody needs Redis.
    pub async fn tend(&self, check: Check) {
        let mut pause = PAUSE_MIN;
        loop {
            let why = match self.connect().await {
                Ok(connection) => {
                    check.pass();
                    let since = Instant::now();
                    self.serve(connection).await;
                    if since.elapsed() > WELL_AFTER {
                        pause = PAUSE_MIN;
                    }
                    self.0.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
                }
                Err(why) => why,
            };
            check.pass_but(format!("Redis does not answer ({why}); reads go to the database, and nobody waits for it"));
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let connecting = timeout(WORK_MAX, self.0.client.get_multiplexed_async_connection()).await;
        let mut connection = answered(WORK_MAX, connecting)?;
        let () = answered(ANSWER_MAX, timeout(ANSWER_MAX, redis::cmd("PING").query_async(&mut connection)).await)?;
        Ok(connection)
    }

    /// Lends the connection out until somebody loses it, or it does not answer here.
    async fn serve(&self, mut connection: MultiplexedConnection) {
        *self.0.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection.clone());
        let mut waiting = self.0.waiting.lock().await;
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while self.answers() {
            tokio::select! {
                () = self.0.lost.notified() => {}
                got = waiting.recv_many(&mut batch, BATCH_MAX) => {
                    let outcome = match self.write(&mut connection, batch.drain(..)).await {
                        Ok(()) => STORED,
                        Err(why) => { self.lose(why); FAILED }
                    };
                    writes_total(outcome).increment(got as u64);
                }
                () = sleep(PING_EVERY) => {
                    let ping = timeout(WORK_MAX, redis::cmd("PING").query_async(&mut connection)).await;
                    if let Err(why) = answered::<()>(WORK_MAX, ping) {
                        self.lose(why);
                    }
                }
            }
        }
    }

    async fn write(
        &self,
        connection: &mut MultiplexedConnection,
        values: impl Iterator<Item = Value>,
    ) -> Result<(), String> {
        let mut pipeline = redis::pipe();
        for (key, value) in values {
            pipeline.cmd("SET").arg(key).arg(value).arg("EX").arg(TTL.as_secs()).ignore();
        }
        answered(WORK_MAX, timeout(WORK_MAX, pipeline.query_async(connection)).await)
    }

    fn connection(&self) -> Option<MultiplexedConnection> {
        self.0.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lose(&self, why: String) {
        let lost = self.0.connection.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Of many who fail at once the first one says why.
        if lost.is_some() {
            *self.0.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
            self.0.lost.notify_one();
        }
    }
}

const STORED: &str = "stored";
const FAILED: &str = "failed";
const LEFT_OUT: &str = "left_out";
const WRITES: [&str; 3] = [STORED, FAILED, LEFT_OUT];

/// Shows the counters before they count, so that they have a rate then.
pub(crate) fn register() {
    for outcome in WRITES {
        writes_total(outcome).increment(0);
    }
}

fn writes_total(outcome: &'static str) -> metrics::Counter {
    metrics::counter!("handsel_redis_writes_total", "outcome" => outcome)
}

fn answered<T>(max: Duration, answer: Result<redis::RedisResult<T>, tokio::time::error::Elapsed>) -> Result<T, String> {
    match answer {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} ms", max.as_millis())),
    }
}
