//! Signs the head of a store now and then, for as long as a relay leads, and once more when it ends.
//!
//! Nothing here stops a relay: a folder that cannot be written, a broker or a database that is away are logged when
//! they begin to be so, counted, and tried again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use envelope::Position;
use rdkafka::ClientConfig;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::book::Book;
use super::compare::Now;
use super::key::SigningKey;
use super::publisher::{Place, Publisher};
use super::statement::{SignedHead, Statement};
use crate::Reader;

/// How long the last signature and its publishing may each take when the program ends.
const END_WAIT_MAX: Duration = Duration::from_secs(1);

/// How heads are signed, and where they are kept.
#[derive(Clone, Debug)]
pub struct HeadsConfig {
    /// Signs.
    pub key: Arc<SigningKey>,
    /// How long to wait between two signatures; nothing is signed if nothing was appended.
    pub interval: Duration,
    /// The folder for the files, if there is one.
    pub folder: Option<PathBuf>,
    /// The topic.
    pub topic: String,
}

/// A signer at work.
pub(crate) struct Signing {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Signing {
    /// Begins at once.
    pub(crate) fn start(config: &HeadsConfig, reader: Reader, kafka: &ClientConfig, replication: Option<i32>) -> Self {
        let context = reader.context().to_string();
        for reason in REASONS {
            failures(&context, reason).increment(0);
        }
        signed(&context).increment(0);
        let place = Place { kafka: kafka.clone(), topic: config.topic.clone(), replication };
        let signer = Signer {
            publisher: Publisher::start(place, context.clone()),
            book: config.folder.as_deref().map(|folder| Book::of(folder, &context)),
            key: config.key.clone(),
            context,
            reader,
            last: None,
            unwritten: None,
            trouble: None,
        };
        let stop = CancellationToken::new();
        Self { task: tokio::spawn(signer.run(config.interval, stop.clone())), stop }
    }

    /// Signs a last time and ends.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(END_WAIT_MAX * 2, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl Drop for Signing {
    /// Whoever leads next signs.
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What can keep a head from being signed or kept.
const REASONS: [&str; 5] = ["contradiction", "file", "key", "store", "topic"];

fn failures(context: &str, reason: &'static str) -> metrics::Counter {
    metrics::counter!("handsel_heads_failures_total", "context" => context.to_owned(), "reason" => reason)
}

/// Counts that heads of a store are not signed for want of a key.
pub fn without_key(context: &str) {
    failed(context, "key");
}

pub(super) fn failed(context: &str, reason: &'static str) {
    failures(context, reason).increment(1);
}

fn signed(context: &str) -> metrics::Counter {
    metrics::counter!("handsel_heads_signed_total", "context" => context.to_owned())
}

struct Signer {
    context: String,
    reader: Reader,
    key: Arc<SigningKey>,
    book: Option<Book>,
    publisher: Publisher,
    /// The newest head that is known to be signed.
    last: Option<Statement>,
    /// Signed, and not in the file yet.
    unwritten: Option<SignedHead>,
    /// What was logged already.
    trouble: Option<&'static str>,
}

impl Signer {
    async fn run(mut self, interval: Duration, stop: CancellationToken) {
        self.last = self.newest_kept().await;
        self.show();
        loop {
            self.sign().await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(interval) => {}
            }
        }
        // A database that is away now is away for longer than this process has.
        let _late = tokio::time::timeout(END_WAIT_MAX, self.sign()).await;
        self.publisher.end(END_WAIT_MAX).await;
    }

    /// What an earlier signer, or a recovery, left in the file.
    async fn newest_kept(&self) -> Option<Statement> {
        let book = self.book.clone()?;
        let read = tokio::task::spawn_blocking(move || book.read()).await.ok()?.ok()?;
        let mut own = read.heads.into_iter().filter(|head| head.statement.context == self.context && head.is_genuine());
        own.next_back().map(|head| head.statement)
    }

    /// Signs the head if it moved, and sees to it that the file has the newest one.
    async fn sign(&mut self) {
        let known = self.last.as_ref().map(|last| last.position).unwrap_or_default();
        let now = match self.reader.ask(async |connection| Now::look(connection, known).await).await {
            Ok(now) => now,
            Err(error) => return self.trouble("store", &error.to_string()),
        };
        if let Some(last) = self.last.as_ref().filter(|last| contradicts(last, &now)) {
            let what = format!(
                "position {} was signed at {}, and the store, which ends at {}, has something else there or nothing: \
                 events were cut off or replaced; run `verify`",
                last.position, last.at, now.position
            );
            return self.trouble("contradiction", &what);
        }
        // An empty store proves nothing, and may still become the copy of another one.
        if self.last.as_ref().map_or(now.position > Position::ZERO, |last| moved(last, &now)) {
            let statement = now.statement(&self.context, None, platform::clock::now());
            let head = statement.clone().sign(&self.key);
            self.publisher.publish(head.clone());
            (self.last, self.unwritten) = (Some(statement), Some(head));
            signed(&self.context).increment(1);
            self.show();
        }
        match self.write().await {
            Ok(()) => self.no_trouble(),
            Err(error) => self.trouble("file", &error.to_string()),
        }
    }

    fn show(&self) {
        let newest = self.last.as_ref().map_or(Position::ZERO, |last| last.position);
        metrics::gauge!("handsel_heads_position", "context" => self.context.clone()).set(newest.get() as f64);
    }

    async fn write(&mut self) -> std::io::Result<()> {
        let (Some(book), Some(head)) = (self.book.clone(), self.unwritten.clone()) else { return Ok(()) };
        let path = book.path().display().to_string();
        let written = tokio::task::spawn_blocking(move || book.append(&head)).await;
        let written = written.unwrap_or_else(|panicked| Err(std::io::Error::other(panicked)));
        written.map_err(|error| std::io::Error::new(error.kind(), format!("{path}: {error}")))?;
        self.unwritten = None;
        Ok(())
    }

    /// Counts each failure and logs the first of its kind.
    fn trouble(&mut self, reason: &'static str, what: &str) {
        failed(&self.context, reason);
        if self.trouble.replace(reason) != Some(reason) {
            tracing::warn!(context = self.context, reason, "No head is signed or kept in its file: {what}");
        }
    }

    fn no_trouble(&mut self) {
        if self.trouble.take().is_some() {
            tracing::info!(context = self.context, "Heads are signed and kept again");
        }
    }
}

fn moved(last: &Statement, now: &Now) -> bool {
    (last.history, last.position) != (now.history, now.position)
}

/// Another store, or in the same history a head that goes back or another chain where one was signed. A signer that
/// signed on would make the newest head agree with what somebody did.
fn contradicts(last: &Statement, now: &Now) -> bool {
    last.genesis != now.genesis
        || last.history == now.history && (now.position < last.position || now.known != Some(last.chain))
}
