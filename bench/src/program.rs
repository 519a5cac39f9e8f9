//! The release binary under measurement, and where its data lies.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use platform::embedded::postgres::{EmbeddedPostgres, PostgresOptions};
use tokio::process::{Child, Command};

const START_MAX: Duration = Duration::from_secs(120);
const STOP_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The clock of `/proc` ticks a hundred times a second on Linux, whatever the kernel does inside.
const TICKS_PER_SECOND: f64 = 100.0;

/// A folder for the data of this run, removed at its end. Everybody may enter it, because Postgres runs as another
/// user when this one is root.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("handsel-bench-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The instance that fills the topics of the given Kafka: its topics have one history, so there is one instance.
    pub(crate) fn kafka_data(&self) -> PathBuf {
        self.0.join("kafka")
    }

    /// A Postgres for what runs in this process: `DATABASE_URL`, or one of its own with durable settings.
    pub(crate) async fn postgres(&self) -> anyhow::Result<(Option<EmbeddedPostgres>, String)> {
        if let Ok(url) = std::env::var("DATABASE_URL") {
            return Ok((None, url));
        }
        let folder = self.0.join("in-process");
        fs::create_dir_all(&folder)?;
        let server = EmbeddedPostgres::start(&PostgresOptions::new(folder)).await?;
        let url = server.url().expose().to_owned();
        Ok((Some(server), url))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} stays behind: {error}", self.0.display());
        }
    }
}

/// Builds the program as it is shipped.
pub(crate) fn build() -> anyhow::Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let built = std::process::Command::new(cargo).args(["build", "--release", "--locked", "-p", "handsel"]).status()?;
    ensure!(built.success(), "the program does not build");
    Ok(())
}

/// Beside this binary, where cargo puts both.
fn binary() -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("handsel");
    ensure!(path.exists(), "{} is missing: run the bench with `cargo run --release -p bench`", path.display());
    Ok(path)
}

/// A running `handsel up`.
pub(crate) struct Program {
    child: Child,
    data_dir: PathBuf,
    brokers: Option<String>,
    /// The API.
    pub(crate) url: String,
    /// From starting it until it said that it is ready.
    pub(crate) ready_after: Duration,
}

impl Program {
    /// Starts it with this data directory and, if given, this Kafka instead of the embedded broker.
    pub(crate) async fn start(data_dir: &Path, brokers: Option<&str>) -> anyhow::Result<Self> {
        let [port, admin_port, broker_port] = free_ports()?;
        let log = fs::File::create(data_dir.with_extension("log"))?;
        let mut command = Command::new(binary()?);
        command
            .args(["up", "--data-dir"])
            .arg(data_dir)
            .args(["--port", &port.to_string()])
            .env("HANDSEL_ADMIN_PORT", admin_port.to_string())
            .env("HANDSEL_BROKER_PORT", broker_port.to_string())
            .env("RUST_LOG", "warn")
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log))
            .kill_on_drop(true);
        surroundings(&mut command, brokers);
        let begun = Instant::now();
        let mut child = command.spawn().context("starting handsel up")?;
        let ready = format!("http://127.0.0.1:{admin_port}/readyz");
        let http = reqwest::Client::new();
        loop {
            if http.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
                break;
            }
            if let Some(status) = child.try_wait()? {
                let said = fs::read_to_string(data_dir.with_extension("log")).unwrap_or_default();
                bail!("handsel up ended with {status}:\n{said}");
            }
            ensure!(begun.elapsed() < START_MAX, "handsel up was not ready after {START_MAX:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let url = format!("http://127.0.0.1:{port}");
        let brokers = brokers.map(str::to_owned);
        Ok(Self { child, data_dir: data_dir.to_owned(), brokers, url, ready_after: begun.elapsed() })
    }

    /// Runs a sub-command against it and answers what it printed and how long it took.
    pub(crate) async fn call(&self, words: &[&str]) -> anyhow::Result<(String, Duration)> {
        let begun = Instant::now();
        let mut command = Command::new(binary()?);
        surroundings(&mut command, self.brokers.as_deref());
        command.args(words).env("HANDSEL_DATA_DIR", &self.data_dir).env("HANDSEL_URL", &self.url).stdin(Stdio::null());
        let output = command.output().await?;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "handsel {} ended with {}:\n{said}", words.join(" "), output.status);
        Ok((said, begun.elapsed()))
    }

    /// Memory of our process alone, in MiB; Postgres is not in it.
    pub(crate) fn resident_mib(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }

    /// Seconds that our process has computed so far.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()?))?;
        let (_, rest) = stat.rsplit_once(')').context("no stat")?;
        let fields: Vec<_> = rest.split_whitespace().collect();
        // Fields 14 and 15 of the whole line: user and system time.
        let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        Ok(ticks / TICKS_PER_SECOND)
    }

    /// Ends it as an operator does, and waits until it has.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.id()?.to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().await?;
        ensure!(asked.success(), "could not signal process {id}");
        let status = tokio::time::timeout(STOP_MAX, self.child.wait()).await.context("it did not end")??;
        ensure!(status.success(), "handsel up ended with {status}");
        Ok(())
    }

    fn id(&self) -> anyhow::Result<u32> {
        self.child.id().context("handsel up has ended")
    }
}

/// The servers of this run, whatever the shell knows of others; topics of its own, because a Kafka may have been used
/// before.
fn surroundings(command: &mut Command, brokers: Option<&str>) {
    command
        .env_remove("DATABASE_URL")
        .env_remove("KAFKA_BROKERS")
        .env("HANDSEL_TOPIC_PREFIX", format!("bench-{}", std::process::id()));
    if let Some(brokers) = brokers {
        command.env("KAFKA_BROKERS", brokers);
    }
}

/// Ports that were free a moment ago.
fn free_ports<const COUNT: usize>() -> anyhow::Result<[u16; COUNT]> {
    let mut ports = [0; COUNT];
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}
