//! Sends customers and purchases as commands, each until it is answered.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use super::connection::{Answer, Connection, Lost, Post, Target};
use super::patience::Patience;
use super::{Purchase, Source};

/// Who the events say has asked.
const CALLER: &str = "import-cdnow;roles=operator";
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(50);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);

/// How hard an import tries.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many requests are under way at once, each on a connection of its own.
    pub concurrency: usize,
    /// How long a server that is away is waited for; `None`: for ever, once it has answered.
    pub give_up_after: Option<Duration>,
}

/// What became of everything in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// New since this import.
    pub imported: u64,
    /// Known before, or sent twice because an answer was lost.
    pub already_there: u64,
    /// Refused by the server; each was reported.
    pub refused: u64,
}

/// Where an import reports to.
pub trait Report: Send + Sync + 'static {
    /// One more was answered.
    fn answered(&self);
    /// Something that the operator should read.
    fn say(&self, line: &str);
}

/// One file on its way to one server.
pub struct Importer<R> {
    source: Arc<Source>,
    target: Target,
    limits: Limits,
    report: Arc<R>,
    patience: Arc<Patience>,
}

/// One command: what it is called, where it goes and what it says.
struct Command {
    /// As the operator knows it: `line 17`.
    name: String,
    path: &'static str,
    body: Vec<u8>,
}

#[derive(Serialize)]
struct Register<'a> {
    account: Uuid,
    name: String,
    email: String,
    reference: &'a str,
}

#[derive(Serialize)]
struct ImportOrder {
    order: Uuid,
    customer: Uuid,
    ordered_on: chrono::NaiveDate,
    units: u32,
    total: Total,
}

#[derive(Serialize)]
struct Total {
    amount_minor: i64,
    currency: &'static str,
}

impl<R: Report> Importer<R> {
    /// Prepares to send a file.
    ///
    /// # Errors
    /// If the address cannot be used.
    pub fn new(source: Arc<Source>, url: &Url, limits: Limits, report: R) -> anyhow::Result<Self> {
        let (target, patience) = (Target::new(url)?, Arc::new(Patience::new(limits.give_up_after)));
        Ok(Self { source, target, limits, report: Arc::new(report), patience })
    }

    /// Sends a bearer token along.
    ///
    /// # Errors
    /// If it is none.
    pub fn bearer(mut self, token: &str) -> anyhow::Result<Self> {
        self.target = self.target.bearer(token)?;
        Ok(self)
    }

    /// The same import, reporting to somebody else.
    pub fn reporting_to<T: Report>(self, report: T) -> Importer<T> {
        let Self { source, target, limits, patience, .. } = self;
        Importer { source, target, limits, report: Arc::new(report), patience }
    }

    /// Registers every customer of the file.
    ///
    /// # Errors
    /// If the server stayed away for too long.
    pub async fn customers(&self) -> anyhow::Result<Summary> {
        let source = self.source.clone();
        let names: Vec<String> = source.customers.iter().cloned().collect();
        self.send_all(names.into_iter().map(move |customer| register(&source, &customer))).await
    }

    /// Sends every purchase of the file.
    ///
    /// # Errors
    /// If the file cannot be read any more or the server stayed away for too long.
    pub async fn purchases(&self) -> anyhow::Result<Summary> {
        let source = self.source.clone();
        let lines = source.purchases()?;
        self.send_all(lines.map(move |line: io::Result<(u64, Purchase)>| {
            let (number, purchase) = line.context("reading the file again")?;
            import_order(&source, number, &purchase)
        }))
        .await
    }

    /// The workers draw from one line of commands, so that a slow answer holds nobody up.
    async fn send_all<I>(&self, commands: I) -> anyhow::Result<Summary>
    where
        I: Iterator<Item = anyhow::Result<Command>> + Send + 'static,
    {
        let commands = Arc::new(Mutex::new(commands));
        let mut workers = JoinSet::new();
        for _ in 0..self.limits.concurrency.max(1) {
            let worker = Worker {
                key_space: self.source.id_of("keys"),
                target: self.target.clone(),
                connection: Connection::new(self.target.clone()),
                report: self.report.clone(),
                patience: self.patience.clone(),
                summary: Summary::default(),
            };
            workers.spawn(worker.run(commands.clone()));
        }
        let mut sum = Summary::default();
        while let Some(done) = workers.join_next().await {
            // The first that fails takes the others along: dropping the set ends them.
            let part = done.context("a worker of the import ended early")??;
            sum.imported += part.imported;
            sum.already_there += part.already_there;
            sum.refused += part.refused;
        }
        Ok(sum)
    }
}

fn register(source: &Source, customer: &str) -> anyhow::Result<Command> {
    let name = format!("customer {customer}");
    let body = serde_json::to_vec(&Register {
        account: source.id_of(&name),
        name: format!("Customer {customer}"),
        email: format!("{customer}@cdnow.example"),
        reference: customer,
    })?;
    Ok(Command { name, path: "/v1/accounts", body })
}

fn import_order(source: &Source, number: u64, purchase: &Purchase) -> anyhow::Result<Command> {
    let name = format!("line {number}");
    let body = serde_json::to_vec(&ImportOrder {
        order: source.id_of(&name),
        customer: source.id_of(&format!("customer {}", purchase.customer)),
        ordered_on: purchase.ordered_on,
        units: purchase.units,
        total: Total { amount_minor: purchase.amount_minor, currency: "USD" },
    })?;
    Ok(Command { name, path: "/v1/orders/import", body })
}

struct Worker<R> {
    key_space: Uuid,
    target: Target,
    connection: Connection,
    report: Arc<R>,
    patience: Arc<Patience>,
    summary: Summary,
}

impl<R: Report> Worker<R> {
    async fn run<I>(mut self, commands: Arc<Mutex<I>>) -> anyhow::Result<Summary>
    where
        I: Iterator<Item = anyhow::Result<Command>> + Send,
    {
        let caller = HeaderValue::from_static(CALLER);
        loop {
            let next = commands.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(command) = next.transpose()? else { return Ok(self.summary) };
            let key = Uuid::new_v5(&self.key_space, command.name.as_bytes()).to_string();
            let post = self.target.post(command.path, &key, &caller, command.body)?;
            let (answer, sent_before) = self.deliver(&post).await.with_context(|| command.name.clone())?;
            self.count(&command.name, &answer, sent_before);
            self.report.answered();
        }
    }

    /// Sends until there is an answer that a repeat would not change. Says whether an earlier one may have been lost.
    async fn deliver(&mut self, post: &Post) -> anyhow::Result<(Answer, bool)> {
        let started = Instant::now();
        let (mut pause, mut sent_before) = (RETRY_PAUSE_MIN, false);
        loop {
            let sent = self.connection.send(post).await;
            if sent.is_ok() {
                self.patience.answered();
            }
            let (why, wait) = match sent {
                Ok(answer) if !is_passing(answer.status) => return Ok((answer, sent_before)),
                Ok(answer) => (format!("the server answered {}", answer.status), answer.retry_after),
                Err(lost) => {
                    sent_before |= !matches!(lost, Lost::Connect(..));
                    (lost.to_string(), None)
                }
            };
            if pause == RETRY_PAUSE_MAX && self.patience.may_say(Instant::now()) {
                self.report.say(&format!("still trying: {why}"));
            }
            if self.patience.is_over(started.elapsed()) {
                anyhow::bail!(
                    "{why}; gave up after {} s. Start the import again: what is done stays done",
                    started.elapsed().as_secs()
                );
            }
            tokio::time::sleep(wait.unwrap_or(pause).clamp(RETRY_PAUSE_MIN, RETRY_PAUSE_MAX)).await;
            pause = (pause * 2).min(RETRY_PAUSE_MAX);
        }
    }

    fn count(&mut self, name: &str, answer: &Answer, sent_before: bool) {
        if !answer.status.is_success() {
            self.summary.refused += 1;
            self.report.say(&format!("{name}: refused with {}: {}", answer.status, detail(&answer.body)));
        } else if answer.status == StatusCode::CREATED && (!answer.replayed || sent_before) {
            self.summary.imported += 1;
        } else {
            self.summary.already_there += 1;
        }
    }
}

/// The server is there but cannot just now.
fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// What a problem document says, or the beginning of whatever else came.
fn detail(body: &[u8]) -> String {
    const SHOWN_CHARS_MAX: usize = 200;
    let problem: Option<Value> = serde_json::from_slice(body).ok();
    let said = problem.as_ref().and_then(|problem| problem["detail"].as_str().or(problem["title"].as_str()));
    said.map_or_else(|| String::from_utf8_lossy(body).chars().take(SHOWN_CHARS_MAX).collect(), str::to_owned)
}

#[cfg(test)]
mod tests;
