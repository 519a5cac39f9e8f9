//! The program as its users run it: a process of its own.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use handsel::instance::Running;
use tokio::process::{Child, Command};

use crate::{ETA_MAX, server, until};

/// Neither a command nor a start may take longer, also on a busy machine.
const END_WAIT_MAX: Duration = Duration::from_secs(120);

/// Variables of the one who runs the tests that must not reach the program.
const NOT_INHERITED: [&str; 7] =
    ["DATABASE_URL", "KAFKA_BROKERS", "REDIS_URL", "HANDSEL_DATA_DIR", "HANDSEL_URL", "RUST_LOG", "HANDSEL_MASTER_KEY"];

const ROOT: u32 = 0;
/// A user without rights that every system has.
const NOBODY: u32 = 65_534;

/// A program on a data folder of its own, which goes with this value.
pub struct Program {
    exe: PathBuf,
    folder: PathBuf,
    words: Vec<String>,
    env: Vec<(String, String)>,
    user: Option<u32>,
    child: Option<Child>,
}

/// How a process ended and what it said.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Program {
    /// Nothing runs yet. `words` follow `up`, and `env` is for every command.
    #[must_use]
    pub fn new(exe: &str, words: &[&str], env: &[(&str, &str)]) -> Self {
        // Whoever asks it over HTTP may be the first in this process to want one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let owned = |text: &&str| (*text).to_owned();
        Self {
            exe: exe.into(),
            folder: server::private_folder("data"),
            words: words.iter().map(owned).collect(),
            env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            user: None,
            child: None,
        }
    }

    /// The same run by a user without rights, to whom the data folder is given. Who is no root is one already.
    ///
    /// # Panics
    /// If the program cannot be brought to where that user may run it.
    #[must_use]
    pub fn as_ordinary_user(mut self) -> Self {
        let home = std::fs::metadata(&self.folder).expect("the folder was made").uid();
        if home == ROOT {
            // The build output may lie where nobody else may enter.
            let reachable = server::private_folder("program").join("handsel");
            if std::fs::hard_link(&self.exe, &reachable).is_err() {
                std::fs::copy(&self.exe, &reachable).expect("there is room for a copy");
            }
            std::os::unix::fs::chown(&self.folder, Some(NOBODY), Some(NOBODY)).expect("root may give it away");
            (self.exe, self.user) = (reachable, Some(NOBODY));
        }
        self
    }

    /// The data folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts `up` on free ports and waits until it is ready.
    ///
    /// # Panics
    /// If it does not get ready.
    pub async fn up(&mut self) {
        self.begin();
        let http = reqwest::Client::new();
        let pid = self.pid();
        until("`up` is ready", END_WAIT_MAX, || async {
            let Ok(running) = Running::read(&self.folder) else { return false };
            let url = format!("{}/readyz", running.admin_url);
            running.pid == pid && http.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    /// Starts `up` on free ports.
    ///
    /// # Panics
    /// If it cannot be run.
    pub fn begin(&mut self) {
        let ports = ["up", "--port", "0", "--admin-port", "0", "--broker-port", "0"];
        let words: Vec<&str> = ports.into_iter().chain(self.words.iter().map(String::as_str)).collect();
        self.child = Some(self.spawn(&words));
    }

    /// Starts a role in place of `up`.
    ///
    /// # Panics
    /// If it cannot be run.
    pub fn begin_role(&mut self, words: &[&str]) {
        self.child = Some(self.spawn(words));
    }

    fn spawn(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        command.stdout(Stdio::null()).stderr(self.log()).kill_on_drop(true);
        command.spawn().expect("the program starts")
    }

    /// Where the running one listens.
    ///
    /// # Panics
    /// If none runs.
    #[must_use]
    pub fn running(&self) -> Running {
        Running::read(&self.folder).expect("`up` is running")
    }

    /// A request to the running one.
    ///
    /// # Panics
    /// If it does not answer with a success.
    pub async fn get(&self, path: &str) -> serde_json::Value {
        let answer = reqwest::get(format!("{}{path}", self.running().url)).await.expect("the program answers");
        crate::Answer::read(answer).await.ok()
    }

    /// The process as the system knows it.
    ///
    /// # Panics
    /// If none runs.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).expect("`up` is running")
    }

    /// Ends it without warning.
    ///
    /// # Panics
    /// If none runs.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().expect("`up` is running");
        child.kill().await.expect("it can be killed");
    }

    /// Asks it to end, and waits.
    ///
    /// # Panics
    /// If none runs or it does not end.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.ask_to_end().await;
        self.ended().await
    }

    /// Asks it to end.
    ///
    /// # Panics
    /// If none runs.
    pub async fn ask_to_end(&self) {
        ask_to_end(self.pid()).await;
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// If none runs or it does not end.
    pub async fn ended(&mut self) -> ExitStatus {
        ended(&mut self.child.take().expect("`up` is running")).await
    }

    /// Runs a sub-command on the same data folder to its end.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn call(&self, words: &[&str]) -> Finished {
        let running = self.command(words).stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(END_WAIT_MAX, running).await.expect("it ends in time").expect("it starts");
        Finished {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// A sub-command on the same data folder, to be started as the test likes.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.exe);
        NOT_INHERITED.iter().for_each(|name| {
            command.env_remove(name);
        });
        command.args(words).env("HANDSEL_DATA_DIR", &self.folder);
        if let Some(user) = self.user {
            command.uid(user).gid(user).env("HOME", &self.folder);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(running) = self.child.as_ref().and_then(|_| Running::read(&self.folder).ok()) {
            command.env("HANDSEL_URL", running.url);
        }
        command
    }

    /// What `up` logged.
    #[must_use]
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.folder.join("up.log")).unwrap_or_default()
    }

    fn log(&self) -> Stdio {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join("up.log"));
        log.expect("the data folder can be written").into()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what `up` logged:\n{}", self.logged());
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.start_kill();
        }
        // A Postgres of its own that was left over stops by itself when its files are gone.
        let _ = std::fs::remove_dir_all(&self.folder);
        if let Some(folder) = self.user.and_then(|_| self.exe.parent()) {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// Sends SIGTERM.
pub(crate) async fn ask_to_end(pid: u32) {
    let asked = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await.expect("there is a `kill`");
    assert!(asked.success(), "the signal was sent");
}

/// Waits until a process that was asked to end has ended.
pub(crate) async fn ended(child: &mut Child) -> ExitStatus {
    tokio::time::timeout(ETA_MAX, child.wait()).await.expect("it ends in time").expect("it was waited for")
}

impl Finished {
    /// What it printed, if it went well.
    ///
    /// # Panics
    /// If it did not.
    pub fn ok(self) -> String {
        assert!(self.status.success(), "{}\n{}\n{}", self.status, self.stdout, self.stderr);
        self.stdout
    }

    /// The one line of a failure.
    ///
    /// # Panics
    /// If it was none, or said more than its line.
    #[must_use]
    pub fn failure(self) -> String {
        assert!(!self.status.success(), "it went well:\n{}", self.stdout);
        let lines: Vec<&str> = self.stderr.lines().filter(|line| !line.starts_with('{')).collect();
        assert_eq!(lines.len(), 1, "one line was expected:\n{}", self.stderr);
        lines[0].to_owned()
    }
}

/// A file of the tests.
#[must_use]
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}
