//! An Apache Kafka whose process belongs to the rig.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use handsel::output;
use nix::sys::signal::Signal;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::process::Command;

use super::free_port;

/// The script that development uses too.
const RUN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/kafka/run.sh");
const END_MAX: Duration = Duration::from_secs(20);
/// How long it may take until it answers, and beyond what that is worth a line.
const READY_MAX: Duration = Duration::from_secs(180);
const READY_USUAL: Duration = Duration::from_secs(10);
/// How long it may take until it takes a record, and beyond what that is worth a line.
const TAKES_MAX: Duration = Duration::from_secs(180);
const TAKES_USUAL: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The broker of all scenarios of a run.
#[derive(Debug)]
pub(crate) struct Kafka {
    folder: PathBuf,
    port: u16,
}

/// Brings Kafka in, if it is not there.
pub(crate) fn fetch() -> anyhow::Result<()> {
    let done = std::process::Command::new(RUN).arg("--fetch").status()?;
    ensure!(done.success(), "Kafka could not be fetched");
    Ok(())
}

impl Kafka {
    /// Starts a broker with its data in a folder.
    pub(crate) async fn start(folder: &Path) -> anyhow::Result<Self> {
        let kafka = Self { folder: folder.to_owned(), port: free_port()? };
        kafka.begin().await?;
        kafka.takes_records().await?;
        Ok(kafka)
    }

    /// Waits until it has taken a record. It answers before its controller gives it ids for producers, and no scenario
    /// is about that.
    async fn takes_records(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", self.brokers()).set("enable.idempotence", "true");
        let admin: AdminClient<DefaultClientContext> = config.create()?;
        let topic = NewTopic::new("rig.ready", 1, TopicReplication::Fixed(1));
        admin.create_topics([&topic], &AdminOptions::new()).await?;
        let producer: FutureProducer = config.create()?;
        let record = FutureRecord::<(), str>::to("rig.ready").payload("here");
        let sent = producer.send(record, TAKES_MAX).await;
        sent.map_err(|(error, _)| error).context("a broker that was just started takes no record")?;
        if begun.elapsed() > TAKES_USUAL {
            output::line(format!("a broker took its first record only after {:.0} s", begun.elapsed().as_secs_f64()))?;
        }
        Ok(())
    }

    pub(crate) fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts it again on what its folder holds, and waits until it answers.
    pub(crate) async fn begin(&self) -> anyhow::Result<()> {
        // The last one may hold the port a moment longer than it lived.
        let (begun, mut last) = (Instant::now(), String::new());
        for _ in 0..5 {
            let mut command = Command::new(RUN);
            command.args(["--background", "--port", &self.port.to_string(), "--dir"]).arg(&self.folder);
            // It is started often and never works hard: a second of compiling would be wasted each time.
            command.env("KAFKA_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1");
            command.env("KAFKA_READY_SECONDS", READY_MAX.as_secs().to_string());
            let done = command.output().await.context("starting Kafka")?;
            if done.status.success() {
                if begun.elapsed() > READY_USUAL {
                    output::line(format!("a broker answered only after {:.0} s", begun.elapsed().as_secs_f64()))?;
                }
                return Ok(());
            }
            last = String::from_utf8_lossy(&done.stderr).into_owned();
            ensure!(begun.elapsed() < READY_MAX, "Kafka does not start in {} s: {last}", READY_MAX.as_secs());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        anyhow::bail!("Kafka does not start: {last}")
    }

    /// Ends it as a crash would.
    pub(crate) async fn kill(&self) -> anyhow::Result<()> {
        self.end(Signal::SIGKILL).await
    }

    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        self.end(Signal::SIGTERM).await
    }

    async fn end(&self, signal: Signal) -> anyhow::Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        crate::role::signal(Some(pid), signal);
        let begun = Instant::now();
        while is_alive(pid) && begun.elapsed() < END_MAX {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        if is_alive(pid) {
            crate::role::signal(Some(pid), Signal::SIGKILL);
        }
        let _ = std::fs::remove_file(self.folder.join("kafka.pid"));
        Ok(())
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        std::fs::read_to_string(self.folder.join("kafka.pid")).ok()?.trim().parse().ok()
    }

    /// How many lines of what it logged since it was last started contain this.
    pub(crate) fn said(&self, words: &str) -> u64 {
        let said = std::fs::read_to_string(self.folder.join("kafka.log")).unwrap_or_default();
        said.lines().filter(|line| line.contains(words)).count() as u64
    }

    /// Deletes all that a broker that does not run has stored.
    pub(crate) fn wipe(&self) -> anyhow::Result<()> {
        match std::fs::remove_dir_all(self.data()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Cuts the end off a partition's log while the broker does not run; says how many bytes.
    pub(crate) fn cut_tail(&self, topic: &str, partition: i32, bytes: u64) -> anyhow::Result<u64> {
        let folder = self.data().join(format!("{topic}-{partition}"));
        let mut segments: Vec<PathBuf> = std::fs::read_dir(&folder)
            .with_context(|| format!("looking into {}", folder.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|end| end == "log"))
            .collect();
        segments.sort();
        let last = segments.pop().context("the partition has no log")?;
        let length = std::fs::metadata(&last)?.len();
        let kept = length.saturating_sub(bytes);
        std::fs::OpenOptions::new().write(true).open(&last)?.set_len(kept)?;
        // Or the broker believes what it noted and not what is there.
        for noted in ["recovery-point-offset-checkpoint", "replication-offset-checkpoint", ".kafka_cleanshutdown"] {
            let _ = std::fs::remove_file(self.data().join(noted));
        }
        for entry in std::fs::read_dir(&folder)?.filter_map(Result::ok) {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == "index" || end == "timeindex" || end == "snapshot") {
                let _ = std::fs::remove_file(path);
            }
        }
        Ok(length - kept)
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        crate::role::signal(self.pid(), Signal::SIGKILL);
    }
}

fn is_alive(pid: u32) -> bool {
    // A child that nobody has waited for is a zombie, which is dead enough.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
