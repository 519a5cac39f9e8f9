//! A role as a process of its own, which can be killed, frozen and started again at the same place.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::servers::free_port;

const READY_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// One role of the system.
#[derive(Debug)]
pub(crate) struct Role {
    /// What it is called here; several may be of one kind.
    pub(crate) name: String,
    words: Vec<String>,
    env: Vec<(String, String)>,
    pub(crate) port: u16,
    pub(crate) admin_port: u16,
    log: PathBuf,
    child: Option<Child>,
}

/// Whether a role that listens to nobody answers HTTP.
fn answers(kind: &str) -> bool {
    matches!(kind, "command-api" | "query-api")
}

impl Role {
    /// Nothing runs yet. `words` begin with the kind.
    pub(crate) fn new(name: &str, words: &[&str], env: &[(String, String)], logs: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            env: env.to_vec(),
            port: free_port()?,
            admin_port: free_port()?,
            log: logs.join(format!("{name}.log")),
            child: None,
        })
    }

    pub(crate) fn kind(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What is different from the other roles: set again before each start.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// Starts it without waiting. `program` is the program under test.
    pub(crate) fn spawn(&mut self, program: &Path) -> anyhow::Result<()> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(program);
        command.args(&self.words);
        if answers(self.kind()) {
            command.args(["--port", &self.port.to_string()]);
        }
        command.args(["--admin-port", &self.admin_port.to_string()]);
        command.env_clear().envs(self.env.iter().cloned());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        self.child = Some(command.spawn().with_context(|| format!("starting {}", self.name))?);
        Ok(())
    }

    /// Starts it and waits until it is ready; says how long that took.
    pub(crate) async fn start(&mut self, program: &Path, http: &reqwest::Client) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.spawn(program)?;
        self.ready(http, READY_MAX).await?;
        Ok(begun.elapsed())
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(&mut self, http: &reqwest::Client, max: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            if self.is_ready(http).await {
                return Ok(());
            }
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten()) {
                bail!("{} ended with {status}: {}", self.name, self.last_words());
            }
            if begun.elapsed() > max {
                bail!("{} is not ready after {} s: {}", self.name, max.as_secs(), self.last_words());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn is_ready(&self, http: &reqwest::Client) -> bool {
        let url = format!("http://127.0.0.1:{}/readyz", self.admin_port);
        http.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
    }

    /// What its admin listener answers.
    async fn says(&self, what: &str) -> reqwest::Result<String> {
        reqwest::get(format!("http://127.0.0.1:{}/{what}", self.admin_port)).await?.text().await
    }

    /// What a counter of it says since it was started, all series together; nothing from one that does not answer.
    pub(crate) async fn counted(&self, counter: &str) -> u64 {
        let text = self.says("metrics").await.unwrap_or_default();
        let series = text.lines().filter_map(|line| line.strip_prefix(counter)?.rsplit_once(' '));
        series.filter_map(|(_, count)| count.parse::<u64>().ok()).sum()
    }

    /// What its readiness has to say, but for what is well.
    pub(crate) async fn remarks(&self) -> Vec<String> {
        let text = self.says("readyz?verbose").await.unwrap_or_else(|error| format!("[-]{error}"));
        let remarks = text.lines().filter(|line| line.starts_with("[-]") || line.contains(", but "));
        remarks.map(|line| format!("{}: {line}", self.name)).collect()
    }

    /// Whether it has ended by itself since it was started, and by `kill -9` at that.
    pub(crate) fn was_killed(&mut self) -> bool {
        use std::os::unix::process::ExitStatusExt as _;
        let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
        ended.is_some_and(|status| status.signal() == Some(Signal::SIGKILL as i32))
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_none()))
    }

    /// Ends it without warning.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.start_kill()?;
            child.wait().await?;
        }
        Ok(())
    }

    /// Asks it to end and waits.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            signal(child.id(), Signal::SIGTERM);
            if tokio::time::timeout(READY_MAX, child.wait()).await.is_err() {
                child.kill().await?;
            }
        }
        Ok(())
    }

    /// Freezes it, or lets it go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        signal(self.pid(), if frozen { Signal::SIGSTOP } else { Signal::SIGCONT });
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Whether it stands frozen.
    pub(crate) fn is_frozen(&self) -> bool {
        let stat = self.pid().and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok());
        stat.is_some_and(|stat| stat.contains(") T "))
    }

    /// Resident memory in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = self.pid().and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok());
        let line = status.as_deref().unwrap_or_default().lines().find(|line| line.starts_with("VmRSS:"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or_default()
    }

    fn last_words(&self) -> String {
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        said.lines().last().unwrap_or_default().to_owned()
    }

    /// How many lines of its log contain this.
    pub(crate) fn said(&self, words: &str) -> u64 {
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        said.lines().filter(|line| line.contains(words)).count() as u64
    }
}

/// Sends a signal to a process of the rig's; one that has ended by itself needs none.
pub(crate) fn signal(pid: Option<u32>, signal: Signal) {
    if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) {
        let _ = nix::sys::signal::kill(Pid::from_raw(pid), signal);
    }
}
