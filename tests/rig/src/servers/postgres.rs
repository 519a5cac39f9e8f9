//! A Postgres whose process belongs to the rig.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use platform::embedded::postgres::{EmbeddedPostgres, PostgresOptions};
use sqlx::{Connection as _, PgConnection};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use super::{Folder, free_port};

const READY_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The server of all scenarios of a run. Everything durable is on, as in production.
#[derive(Debug)]
pub(crate) struct Postgres {
    folder: PathBuf,
    program: PathBuf,
    words: Vec<String>,
    owner: u32,
    url: String,
    port: u16,
    log: PathBuf,
    child: Option<Child>,
    /// By database. What is waited for is asked for many times a second, and a connection costs more than an answer.
    kept: Mutex<HashMap<String, PgConnection>>,
}

/// Brings the server's binaries in, if they are not there.
pub(crate) async fn fetch() -> anyhow::Result<()> {
    let fetched = std::fs::read_dir(platform::settings::usual_cache_directory()).into_iter().flatten().flatten();
    if fetched.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("postgres-")) {
        return Ok(());
    }
    let folder = Folder::new("fetch")?;
    EmbeddedPostgres::start(&PostgresOptions::new(folder.path())).await?.stop().await?;
    Ok(())
}

impl Postgres {
    /// Makes a cluster in a folder and starts its server.
    pub(crate) async fn start(folder: &Path) -> anyhow::Result<Self> {
        let port = free_port()?;
        // Every role keeps some for each store, and some scenarios have each role twice.
        let options = PostgresOptions { port: Some(port), connections_max: 400, ..PostgresOptions::new(folder) };
        let made = EmbeddedPostgres::start(&options).await.context("making a Postgres cluster")?;
        let url = made.url().expose().to_owned();
        let data = folder.join("postgres/data");
        let pid = postmaster(&data)?;
        let cmdline = std::fs::read(format!("/proc/{pid}/cmdline"))?;
        let mut words = cmdline.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
        let program = words.next().context("the server has no name")?.into();
        // After a crash the server makes sure of every file before it begins; asked one by one that takes long.
        let sync = ["-c".to_owned(), "recovery_init_sync_method=syncfs".to_owned()];
        let words = words.filter(|word| !word.is_empty()).chain(sync).collect();
        let owner = std::fs::metadata(format!("/proc/{pid}"))?.uid();
        made.stop().await?;
        let log = folder.join("rig-postgres.log");
        let (folder, kept) = (folder.to_owned(), Mutex::default());
        let mut server = Self { folder, program, words, owner, url, port, log, child: None, kept };
        server.begin(&[]).await?;
        Ok(server)
    }

    /// How to connect to one of its databases.
    pub(crate) fn url(&self, database: &str) -> anyhow::Result<String> {
        let mut url = url_of(&self.url)?;
        url.set_path(database);
        Ok(url.to_string())
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its cluster.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("postgres/data")
    }

    /// Whether it has not ended, by itself or otherwise.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_none()))
    }

    pub(crate) fn owner(&self) -> u32 {
        self.owner
    }

    /// Ends the server and all its processes as a crash would: nothing is flushed.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        // It may have ended by itself.
        let _ = child.start_kill();
        child.wait().await?;
        Ok(())
    }

    /// Starts it, after a crash too, with these variables, and waits until it takes connections.
    pub(crate) async fn begin(&mut self, env: &[(String, String)]) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log)?;
            let mut command = Command::new(&self.program);
            command
                .args(&self.words)
                .current_dir("/")
                .envs(env.iter().cloned())
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .kill_on_drop(true);
            if self.owner != nix::unistd::Uid::current().as_raw() {
                command.uid(self.owner).gid(self.owner);
            }
            let mut child = command.spawn().context("starting Postgres")?;
            // What its predecessor left in memory goes a moment later than the predecessor.
            while begun.elapsed() < READY_MAX && child.try_wait()?.is_none() {
                if PgConnection::connect(&self.url).await.is_ok() {
                    self.child = Some(child);
                    return Ok(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            if begun.elapsed() > READY_MAX {
                let said = std::fs::read_to_string(&self.log).unwrap_or_default();
                bail!("Postgres does not start: {}", said.lines().last().unwrap_or_default());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Runs a statement in one of its databases. No connection is kept beyond it: a database can be copied and dropped
    /// only while nobody is connected.
    pub(crate) async fn execute(&self, database: &str, sql: &str) -> anyhow::Result<()> {
        for (_, kept) in self.kept.lock().await.drain() {
            // It may have been lost with the server.
            let _ = kept.close().await;
        }
        let mut db = self.connect(database).await?;
        sqlx::raw_sql(sql).execute(&mut db).await.with_context(|| sql.to_owned())?;
        db.close().await?;
        Ok(())
    }

    /// Asks for one number.
    pub(crate) async fn number(&self, database: &str, sql: &str) -> anyhow::Result<i64> {
        let mut connections = self.kept.lock().await;
        if let Some(mut db) = connections.remove(database)
            && let Ok(number) = ask(&mut db, sql).await
        {
            connections.insert(database.to_owned(), db);
            return Ok(number);
        }
        let mut db = self.connect(database).await?;
        let number = ask(&mut db, sql).await.with_context(|| sql.to_owned())?;
        connections.insert(database.to_owned(), db);
        Ok(number)
    }

    pub(crate) async fn connect(&self, database: &str) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect(&self.url(database)?).await?)
    }

    /// Ends it in good order.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        crate::role::signal(child.id(), nix::sys::signal::Signal::SIGINT);
        if tokio::time::timeout(READY_MAX, child.wait()).await.is_err() {
            child.kill().await?;
        }
        Ok(())
    }
}

async fn ask(db: &mut PgConnection, sql: &str) -> sqlx::Result<i64> {
    Ok(sqlx::query_scalar::<_, Option<i64>>(sql).fetch_one(db).await?.unwrap_or_default())
}

/// The process that runs on a cluster.
fn postmaster(data: &Path) -> anyhow::Result<u32> {
    let noted = std::fs::read_to_string(data.join("postmaster.pid"))?;
    Ok(noted.lines().next().unwrap_or_default().parse()?)
}

fn url_of(text: &str) -> anyhow::Result<reqwest::Url> {
    reqwest::Url::parse(text).context("the URL of Postgres")
}
