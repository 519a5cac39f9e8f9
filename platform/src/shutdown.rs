//! How the program ends: at SIGTERM, SIGINT or the failure of a part, every part is told, and given a little time.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// From the signal to the end of the process, all in all: who waits ten seconds before it kills must not have to.
pub const END_MAX: Duration = Duration::from_secs(9);
/// How much of it the parts may take to save what they hold; then they are dropped.
pub const DRAIN_MAX: Duration = Duration::from_secs(6);

/// Tells every part that the end has begun. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    since: Arc<OnceLock<Instant>>,
}

impl Shutdown {
    /// An end that only [`Shutdown::begin`] begins: for tests and one-shot commands.
    pub fn new() -> Self {
        Shutdown::default()
    }

    /// An end that SIGTERM and SIGINT begin. A second signal ends the process at once.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Shutdown::new();
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let ours = shutdown.clone();
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                if ours.has_begun() {
                    tracing::warn!(signal = name, "Ending at once: second signal `{name}`");
                    std::process::exit(130);
                }
                tracing::info!(signal = name, "Draining because of `{name}`");
                ours.begin();
            }
        });
        Ok(shutdown)
    }

    /// Begins the end; again changes nothing.
    pub fn begin(&self) {
        self.since.get_or_init(Instant::now);
        self.token.cancel();
    }

    /// What is left of [`END_MAX`] for whatever still has to end; all of it until the end begins.
    pub fn left(&self) -> Duration {
        END_MAX.saturating_sub(self.since.get().map_or(Duration::ZERO, Instant::elapsed))
    }

    /// Whether the end has begun.
    pub fn has_begun(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits for the end to begin.
    pub async fn begun(&self) {
        self.token.cancelled().await;
    }

    /// The token, for libraries that want one; cancelled when the end begins.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}

/// The long-running parts of a process: the failure of one is the end of all.
#[derive(Debug)]
pub struct Parts {
    shutdown: Shutdown,
    running: JoinSet<(&'static str, anyhow::Result<()>)>,
    attending: JoinSet<(&'static str, anyhow::Result<()>)>,
}

impl Parts {
    /// No parts yet.
    pub fn new(shutdown: Shutdown) -> Self {
        Parts { shutdown, running: JoinSet::new(), attending: JoinSet::new() }
    }

    /// Starts a part. It must end soon after the shutdown begins.
    pub fn spawn(&mut self, name: &'static str, part: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.running.spawn(async move { (name, part.await) });
    }

    /// Starts a part that goes on while the others drain, to tell of them. It is dropped after the last of them.
    pub fn attend(&mut self, name: &'static str, part: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.attending.spawn(async move { (name, part.await) });
    }

    /// Waits for the end to begin, by signal or because a part failed or stopped early, then drains all parts within
    /// `drain_max`. The first failure is the answer.
    pub async fn run(mut self, drain_max: Duration) -> anyhow::Result<()> {
        let mut failure = None;
        loop {
            tokio::select! {
                () = self.shutdown.begun() => break,
                Some(ended) = self.attending.join_next() => {
                    failure = failure_of(ended);
                    if failure.is_some() { break }
                }
                ended = self.running.join_next() => match ended {
                    None => break,
                    Some(ended) => {
                        failure = failure_of(ended);
                        if failure.is_some() { break }
                    }
                },
            }
        }
        self.shutdown.begin();
        let drained = tokio::time::timeout(drain_max, async {
            while let Some(ended) = self.running.join_next().await {
                let failed = failure_of(ended);
                failure = failure.take().or(failed);
            }
        });
        if drained.await.is_err() {
            tracing::warn!(parts = self.running.len(), "Dropping {} parts that did not drain", self.running.len());
            self.running.shutdown().await;
        }
        self.attending.shutdown().await;
        failure.map_or(Ok(()), Err)
    }
}

fn failure_of(ended: Result<(&'static str, anyhow::Result<()>), tokio::task::JoinError>) -> Option<anyhow::Error> {
    match ended {
        Ok((_, Ok(()))) => None,
        Ok((name, Err(error))) => Some(error.context(format!("the part `{name}` failed"))),
        Err(panic) => Some(anyhow::Error::new(panic).context("a part panicked")),
    }
}
