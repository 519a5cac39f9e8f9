//! Sends jobs, several at once, each until it is answered.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

use super::connection::{Answer, Connection, Lost, Message, Target};
use super::patience::Patience;
use super::{Job, Step};

const RETRY_PAUSE_MIN: Duration = Duration::from_millis(50);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);
const LOOK_PAUSE_MIN: Duration = Duration::from_millis(20);
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(500);
/// Longer than any step of the market takes that is not waiting for a person.
const LOOK_MAX: Duration = Duration::from_secs(120);

/// How hard it is tried.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many jobs are under way at once, each on a connection of its own.
    pub concurrency: usize,
    /// How long a server that is away is waited for; `None`: for ever, once it has answered.
    pub give_up_after: Option<Duration>,
}

/// What became of all jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Something of them is new since this run.
    pub imported: u64,
    /// Known before, or sent twice because an answer was lost.
    pub already_there: u64,
    /// Refused by the server; each was reported.
    pub refused: u64,
}

/// Who hears how it goes.
pub trait Report: Send + Sync + 'static {
    /// One more was answered.
    fn answered(&self);
    /// Something that the operator should read.
    fn say(&self, line: &str);
}

/// One server, and who sends to it.
pub struct Sender<R> {
    target: Target,
    caller: HeaderValue,
    limits: Limits,
    report: Arc<R>,
    patience: Arc<Patience>,
}

impl<R: Report> Sender<R> {
    /// To the server at an address, as a caller such as `import;roles=operator`.
    ///
    /// # Errors
    /// If the address cannot be used.
    pub fn new(url: &Url, caller: &'static str, limits: Limits, report: R) -> anyhow::Result<Self> {
        let (target, patience) = (Target::new(url)?, Arc::new(Patience::new(limits.give_up_after)));
        Ok(Self { target, caller: HeaderValue::from_static(caller), limits, report: Arc::new(report), patience })
    }

    /// Sends a bearer token along.
    ///
    /// # Errors
    /// If it is none.
    pub fn bearer(mut self, token: &str) -> anyhow::Result<Self> {
        self.target = self.target.bearer(token)?;
        Ok(self)
    }

    /// The same, reporting to somebody else.
    pub fn reporting_to<T: Report>(self, report: T) -> Sender<T> {
        let Self { target, caller, limits, patience, .. } = self;
        Sender { target, caller, limits, report: Arc::new(report), patience }
    }

    /// The workers draw from one line of jobs, so that a slow answer holds nobody up.
    ///
    /// # Errors
    /// If the jobs cannot be read any more or the server stayed away for too long.
    pub async fn send_all<I>(&self, jobs: I) -> anyhow::Result<Summary>
    where
        I: Iterator<Item = anyhow::Result<Job>> + Send + 'static,
    {
        let jobs = Arc::new(Mutex::new(jobs));
        let mut workers = JoinSet::new();
        for _ in 0..self.limits.concurrency.max(1) {
            workers.spawn(self.worker().run(jobs.clone()));
        }
        let mut sum = Summary::default();
        while let Some(done) = workers.join_next().await {
            // The first that fails takes the others along: dropping the set ends them.
            let part = done.context("a worker ended early")??;
            sum.imported += part.imported;
            sum.already_there += part.already_there;
            sum.refused += part.refused;
        }
        Ok(sum)
    }

    /// What lies at a path; nothing if there is none.
    ///
    /// # Errors
    /// If the server stays away or answers otherwise.
    pub async fn look(&self, path: &str) -> anyhow::Result<Option<Value>> {
        self.worker().look(path).await
    }

    fn worker(&self) -> Worker<R> {
        Worker {
            target: self.target.clone(),
            caller: self.caller.clone(),
            connection: Connection::new(self.target.clone()),
            report: self.report.clone(),
            patience: self.patience.clone(),
            summary: Summary::default(),
        }
    }
}

struct Worker<R> {
    target: Target,
    caller: HeaderValue,
    connection: Connection,
    report: Arc<R>,
    patience: Arc<Patience>,
    summary: Summary,
}

impl<R: Report> Worker<R> {
    async fn run<I>(mut self, jobs: Arc<Mutex<I>>) -> anyhow::Result<Summary>
    where
        I: Iterator<Item = anyhow::Result<Job>> + Send,
    {
        loop {
            let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(job) = next.transpose()? else { return Ok(self.summary) };
            let name = job.name.clone();
            self.work_on(job).await.with_context(|| name)?;
            self.report.answered();
        }
    }

    async fn work_on(&mut self, job: Job) -> anyhow::Result<()> {
        let mut is_new = false;
        for step in job.steps {
            let request = match step {
                Step::Ask(request) => request,
                Step::While { path, field, words } => {
                    self.wait(&path, field, words).await?;
                    continue;
                }
            };
            let has_expected = request.expected.is_some();
            let message = self.target.command(request, &self.caller)?;
            let (answer, sent_before) = self.deliver(&message).await?;
            if has_expected && answer.status == StatusCode::PRECONDITION_FAILED {
                continue;
            }
            if !answer.status.is_success() {
                self.summary.refused += 1;
                self.report.say(&format!("{}: refused with {}: {}", job.name, answer.status, detail(&answer.body)));
                return Ok(());
            }
            // What was done before, under this key or another, is answered with 200 or as a replay.
            is_new |= answer.status != StatusCode::OK && (!answer.replayed || sent_before);
        }
        if is_new {
            self.summary.imported += 1
        } else {
            self.summary.already_there += 1
        }
        Ok(())
    }

    async fn wait(&mut self, path: &str, field: &str, words: &[&str]) -> anyhow::Result<()> {
        let (started, mut pause) = (Instant::now(), LOOK_PAUSE_MIN);
        loop {
            let found = self.look(path).await?;
            let word = found.as_ref().and_then(|found| found[field].as_str());
            if word.is_some_and(|word| !words.contains(&word)) {
                return Ok(());
            }
            anyhow::ensure!(
                started.elapsed() < LOOK_MAX,
                "{path} still says `{}` for `{field}` after {} s; `handsel doctor` says what holds it up",
                word.unwrap_or("nothing"),
                LOOK_MAX.as_secs()
            );
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_PAUSE_MAX);
        }
    }

    async fn look(&mut self, path: &str) -> anyhow::Result<Option<Value>> {
        let (answer, _) = self.deliver(&self.target.look(path, &self.caller)?).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(serde_json::from_slice(&answer.body)?)),
            status => anyhow::bail!("{path} was answered with {status}: {}", detail(&answer.body)),
        }
    }

    /// Sends until there is an answer that a repeat would not change. Says whether an earlier one may have been lost.
    async fn deliver(&mut self, message: &Message) -> anyhow::Result<(Answer, bool)> {
        let started = Instant::now();
        let (mut pause, mut sent_before) = (RETRY_PAUSE_MIN, false);
        loop {
            let sent = self.connection.send(message).await;
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
                    "{why}; gave up after {} s. Start the command again: what is done stays done",
                    started.elapsed().as_secs()
                );
            }
            tokio::time::sleep(wait.unwrap_or(pause).clamp(RETRY_PAUSE_MIN, RETRY_PAUSE_MAX)).await;
            pause = (pause * 2).min(RETRY_PAUSE_MAX);
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
