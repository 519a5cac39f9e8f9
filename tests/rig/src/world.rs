//! The system of one scenario: its databases, topics and processes, and the load on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use event_schemas::Context;
use tokio::process::Command;

use crate::dice::Dice;
use crate::load::{Load, Rate, Summary, Target};
use crate::market::{self, Ware};
use crate::outcome::{Landed, Outcome};
use crate::role::Role;
use crate::scenario::Scenario;
use crate::servers::{Folder, Kafka, Postgres};

/// A role has to serve again so soon after it was started.
pub(crate) const RESTART_MAX: Duration = Duration::from_secs(2);
/// The same where two scenarios run side by side on a machine that does other things too.
pub(crate) const RESTART_MAX_SHORT: Duration = Duration::from_secs(15);
/// How long a command of the program may take.
const COMMAND_MAX: Duration = Duration::from_secs(900);

/// How long making databases and topics may be tried.
const MIGRATE_MAX: Duration = Duration::from_secs(30);

/// What a process says that makes a planted mistake.
pub(crate) const PLANTED: &str = "A planted mistake is made";

/// The servers of all scenarios of a run.
pub(crate) struct Servers {
    pub(crate) folder: Folder,
    pub(crate) postgres: Postgres,
    pub(crate) kafka: Kafka,
    pub(crate) program: PathBuf,
    pub(crate) worlds: u32,
}

/// How a scenario is run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// A planted mistake that is missed is looked for again, so often, with other seeds: it may show only at the right
    /// moment.
    pub(crate) more_seeds: u32,
    pub(crate) seed: u64,
    pub(crate) null: bool,
    /// With the numbers that are published instead of those for every change.
    pub(crate) long: bool,
    pub(crate) defect: Option<String>,
}

/// See the module.
pub(crate) struct World<'s> {
    pub(crate) servers: &'s mut Servers,
    pub(crate) plan: Plan,
    pub(crate) dice: Dice,
    pub(crate) http: reqwest::Client,
    pub(crate) database: String,
    /// Where the read models are.
    pub(crate) views: String,
    pub(crate) prefix: String,
    pub(crate) folder: PathBuf,
    pub(crate) roles: Vec<Role>,
    pub(crate) load: Option<Load>,
    pub(crate) rate: Rate,
    pub(crate) landed: Landed,
    pub(crate) figures: BTreeMap<String, f64>,
    pub(crate) violations: Vec<String>,
    /// Nobody but the load asks for anything, so that the journal accounts for every event.
    pub(crate) complete: bool,
    /// Of each start of a role: which and how long until it served.
    pub(crate) restarts: Vec<(String, Duration)>,
    settled: Summary,
    /// What can be ordered.
    wares: Arc<[Ware]>,
    /// How often the load was begun: each time it asks for something else.
    loads: u32,
}

impl Servers {
    /// Starts both in a folder of their own.
    pub(crate) async fn start(lane: u32) -> anyhow::Result<Self> {
        let folder = Folder::new(&format!("lane-{lane}"))?;
        let program = crate::program::make(folder.path())?;
        let postgres_folder = folder.path().join("postgres");
        std::fs::create_dir_all(&postgres_folder)?;
        let kafka_folder = folder.path().join("kafka");
        let (postgres, kafka) = tokio::try_join!(Postgres::start(&postgres_folder), Kafka::start(&kafka_folder))?;
        Ok(Self { folder, postgres, kafka, program, worlds: 0 })
    }

    /// Ends both.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.kafka.kill().await?;
        self.postgres.stop().await
    }
}

impl<'s> World<'s> {
    /// Makes databases and topics and starts one process per role.
    pub(crate) async fn begin(servers: &'s mut Servers, scenario: &Scenario, plan: Plan) -> anyhow::Result<World<'s>> {
        servers.worlds += 1;
        let number = servers.worlds;
        let database = format!("rig_{number}");
        let views = if scenario.setting.views_apart { format!("{database}_views") } else { database.clone() };
        for name in std::collections::BTreeSet::from([&database, &views]) {
            servers.postgres.execute("postgres", &format!("create database {name}")).await?;
        }
        let folder = servers.folder.path().join(format!("world-{number}"));
        std::fs::create_dir_all(&folder)?;
        let dice = Dice::new(plan.seed).apart(scenario.name);
        let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
        let rate = match scenario.setting.flood {
            Some(clients) => Rate { clients, per_second: None, ..Rate::USUAL },
            None if plan.long => Rate::USUAL,
            None => Rate::SHORT,
        };
        let prefix = format!("rig{number}");
        let mut world = World {
            servers,
            plan,
            dice,
            http,
            database,
            views,
            prefix,
            folder,
            roles: Vec::new(),
            load: None,
            rate,
            landed: Landed::new(),
            figures: BTreeMap::new(),
            violations: Vec::new(),
            complete: true,
            restarts: Vec::new(),
            settled: Summary::default(),
            wares: Arc::default(),
            loads: 0,
        };
        world.migrate().await?;
        world.add("command-api", &["command-api", "--without-relay"])?;
        world.add("relay", &["relay"])?;
        world.add("projector", &["projector"])?;
        world.add("query-api", &["query-api"])?;
        world.add("reactor", &["reactor"])?;
        for kind in scenario.setting.twice {
            let words: &[&str] = if *kind == "command-api" { &["command-api", "--without-relay"] } else { &[kind] };
            world.add(&format!("{kind}-2"), words)?;
        }
        world.start_all().await?;
        world.restarts.clear();
        if scenario.setting.trade && scenario.setting.flood.is_none() && !scenario.setting.quiet {
            let (mut dice, commands) = (world.dice.apart("market"), world.role("command-api").url());
            world.wares = market::open(&world.http, &commands, &mut dice, &world.journal()).await?;
        }
        if !scenario.setting.quiet {
            world.work()?;
        }
        Ok(world)
    }

    /// The scenario before may have left a broker that has just begun.
    async fn migrate(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            match self.call(&["migrate"]).await {
                Err(_) if begun.elapsed() < MIGRATE_MAX => tokio::time::sleep(Duration::from_secs(1)).await,
                ended => return ended.map(drop).context("migrating"),
            }
        }
    }

    /// What every process of this world is told.
    pub(crate) fn env(&self) -> anyhow::Result<Vec<(String, String)>> {
        let told = [
            ("DATABASE_URL", self.servers.postgres.url(&self.database)?),
            ("HANDSEL_VIEWS_DATABASE_URL", self.servers.postgres.url(&self.views)?),
            ("KAFKA_BROKERS", self.servers.kafka.brokers()),
            ("HANDSEL_TOPIC_PREFIX", self.prefix.clone()),
            ("HANDSEL_DATA_DIR", self.data().to_string_lossy().into_owned()),
            // Whoever pays late is waited for at the end of each run.
            ("HANDSEL_SIMULATED_PAYMENTS_LATE_MS", "300".to_owned()),
            ("RUST_LOG", "info".to_owned()),
            ("RUST_BACKTRACE", "0".to_owned()),
        ];
        Ok(told.map(|(name, value)| (name.to_owned(), value)).to_vec())
    }

    /// The mistake that every role makes, as it is told to it.
    pub(crate) fn planted(&self) -> String {
        self.plan.defect.as_ref().map(|defect| format!("defect={defect}")).unwrap_or_default()
    }

    /// What a role is told beside the planted mistake, from its next start on.
    pub(crate) fn tell(&mut self, index: usize, what: &str) {
        let told = format!("{what};{}", self.planted());
        self.roles[index].set("HANDSEL_FAULTS", &told);
    }

    /// One more process, which does not run yet.
    pub(crate) fn add(&mut self, name: &str, words: &[&str]) -> anyhow::Result<usize> {
        let mut env = self.env()?;
        env.push(("HANDSEL_FAULTS".to_owned(), self.planted()));
        self.roles.push(Role::new(name, words, &env, &self.folder)?);
        Ok(self.roles.len() - 1)
    }

    pub(crate) fn index(&self, name: &str) -> usize {
        self.roles.iter().position(|role| role.name == name).expect("every world has this role")
    }

    pub(crate) fn role(&mut self, name: &str) -> &mut Role {
        let index = self.index(name);
        &mut self.roles[index]
    }

    /// Starts a role and notes how long it took to serve.
    pub(crate) async fn start(&mut self, index: usize) -> anyhow::Result<Duration> {
        let role = &mut self.roles[index];
        let took = role.start(&self.servers.program, &self.http).await?;
        self.restarts.push((role.name.clone(), took));
        Ok(took)
    }

    /// Starts every role, one after the other.
    pub(crate) async fn start_all(&mut self) -> anyhow::Result<()> {
        for index in 0..self.roles.len() {
            self.start(index).await?;
        }
        Ok(())
    }

    /// Asks every role to end, and waits.
    pub(crate) async fn stop_all(&mut self) -> anyhow::Result<()> {
        for role in &mut self.roles {
            role.stop().await?;
        }
        Ok(())
    }

    /// Begins the load, or begins it again.
    pub(crate) fn work(&mut self) -> anyhow::Result<()> {
        let commands = self.roles.iter().filter(|role| role.kind() == "command-api").map(Role::url).collect();
        let target = Target { commands, queries: self.role("query-api").url(), wares: self.wares.clone() };
        self.loads += 1;
        let dice = self.dice.apart(&format!("load {}", self.loads));
        self.load = Some(Load::start(&target, self.rate, &dice, &self.journal())?);
        Ok(())
    }

    /// Ends the load: whatever was begun is settled.
    pub(crate) async fn rest(&mut self) {
        if let Some(load) = self.load.take() {
            self.settled = std::mem::take(&mut self.settled).and(load.stop().await);
        }
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.folder.join("journal.jsonl")
    }

    /// A fault landed, or something else happened that must not in a null run.
    pub(crate) fn landed(&mut self, what: &str) {
        self.landed_times(what, 1);
    }

    pub(crate) fn landed_times(&mut self, what: &str, times: u64) {
        *self.landed.entry(what.to_owned()).or_default() += times;
    }

    pub(crate) fn violation(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    pub(crate) fn figure(&mut self, name: &str, value: f64) {
        self.figures.insert(name.to_owned(), value);
    }

    /// Notes how long something took.
    pub(crate) fn took(&mut self, name: &str, since: Instant) {
        self.figure(name, since.elapsed().as_secs_f64());
    }

    /// Notes the largest of several values.
    pub(crate) fn worst(&mut self, name: &str, value: f64) {
        let known = self.figures.entry(name.to_owned()).or_insert(value);
        *known = known.max(value);
    }

    /// In the long run this many, else few.
    pub(crate) fn times(&self, short: u32, long: u32) -> u32 {
        if self.plan.long { long } else { short }
    }

    /// Lets the load go on for a while.
    pub(crate) async fn go_on(&mut self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    /// For some milliseconds, drawn anew each time.
    pub(crate) async fn go_on_between(&mut self, min: u64, max: u64) {
        let ms = min + self.dice.below(max - min);
        self.go_on(ms).await;
    }

    /// Waits until so many commands more were answered.
    pub(crate) async fn acknowledged(&mut self, more: u64, max: Duration) -> anyhow::Result<()> {
        let Some(load) = &self.load else { return Ok(()) };
        let (begun, before) = (Instant::now(), load.stats().acknowledged());
        while load.stats().acknowledged() < before + more {
            ensure!(begun.elapsed() < max, "not even {more} commands were answered in {} s", max.as_secs());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Runs a command of the program on this world to its end.
    pub(crate) async fn call(&self, words: &[&str]) -> anyhow::Result<String> {
        let (ok, said) = self.try_call(words).await?;
        ensure!(ok, "`handsel {}` failed: {said}", words.join(" "));
        Ok(said)
    }

    /// The same for one that may refuse: whether it went well, and what it said.
    pub(crate) async fn try_call(&self, words: &[&str]) -> anyhow::Result<(bool, String)> {
        let mut command = Command::new(&self.servers.program);
        command.args(words).env_clear().envs(self.env()?).env("RUST_LOG", "error").kill_on_drop(true);
        let done = tokio::time::timeout(COMMAND_MAX, command.output()).await.context(words.join(" "))??;
        let said = [done.stdout, done.stderr].concat();
        Ok((done.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }

    pub(crate) fn topic(&self, context: Context) -> String {
        context.topic().replacen("handsel", &self.prefix, 1)
    }

    pub(crate) async fn execute(&self, sql: &str) -> anyhow::Result<()> {
        self.servers.postgres.execute(&self.database, sql).await
    }

    pub(crate) async fn number(&self, sql: &str) -> anyhow::Result<i64> {
        self.servers.postgres.number(&self.database, sql).await
    }

    /// Asks the database of the read models for one number.
    pub(crate) async fn number_of_views(&self, sql: &str) -> anyhow::Result<i64> {
        self.servers.postgres.number(&self.views, sql).await
    }

    /// The folder that the processes share.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Ends everything of this world and says what came of it.
    pub(crate) async fn end(mut self, scenario: &Scenario, began: Instant) -> anyhow::Result<Outcome> {
        let made = self.roles.iter().any(|role| role.said(PLANTED) > 0);
        for role in &mut self.roles {
            role.freeze(false);
            role.kill().await?;
        }
        let mut violations = std::mem::take(&mut self.violations);
        violations.extend(self.settled.wrong.iter().cloned());
        if violations.is_empty() && std::env::var_os("HANDSEL_RIG_KEEP").is_none() {
            for name in [&self.database, &self.views] {
                let drop = format!("drop database if exists {name} with (force)");
                self.servers.postgres.execute("postgres", &drop).await?;
            }
            remove(&self.folder);
        }
        Ok(Outcome {
            scenario: scenario.name.to_owned(),
            seed: self.plan.seed,
            null: self.plan.null,
            defect: self.plan.defect.clone(),
            defect_made: made,
            landed: self.landed,
            load: self.settled,
            violations,
            figures: self.figures,
            skipped: None,
            seconds: began.elapsed().as_secs_f64(),
        })
    }
}

fn remove(folder: &Path) {
    let _ = std::fs::remove_dir_all(folder);
}
