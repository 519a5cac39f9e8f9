//! A role as a process of its own, as it runs where roles run apart.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use serde_json::Value;
use tokio::process::Child;

use crate::program::{ask_to_end, ended};
use crate::{ETA_MAX, Program, until};

/// A role that runs. It is killed with this value.
pub struct Service {
    /// The API; empty if the role has none.
    pub url: String,
    /// Where the role `search` answers the query API; empty for any other.
    pub search_url: String,
    /// Liveness, readiness and metrics.
    pub admin_url: String,
    name: String,
    log: PathBuf,
    child: Child,
}

impl Service {
    /// Starts a role on free ports, with the data folder and the environment of a program, and waits until it is ready.
    ///
    /// # Panics
    /// If it does not get ready.
    pub async fn start(program: &Program, words: &[&str]) -> Self {
        let name = words.join(" ");
        let log = program.folder().join(format!("{}.log", uuid::Uuid::new_v4()));
        let output = std::fs::File::create(&log).expect("the data folder can be written");
        let mut command = program.command(words);
        command.args(["--port", "0", "--admin-port", "0"]).stdout(output).stderr(Stdio::inherit()).kill_on_drop(true);
        let child = command.spawn().expect("the program starts");
        let (url, search_url, admin_url) = Default::default();
        let mut service = Self { url, search_url, admin_url, name, log, child };
        until(&format!("`{}` says where it is", service.name), ETA_MAX, || async { service.places().is_some() }).await;
        let (api, search, admin) = service.places().expect("it was just there");
        let url = |address: Option<String>| address.map(|address| format!("http://{address}")).unwrap_or_default();
        (service.url, service.search_url) = (url(api), url(search));
        service.admin_url = format!("http://{admin}");
        until(&format!("`{}` is ready", service.name), ETA_MAX, || async {
            let asked = reqwest::get(format!("{}/readyz", service.admin_url)).await;
            asked.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        service
    }

    /// Asks it to end, and waits.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn terminate(mut self) -> ExitStatus {
        ask_to_end(self.child.id().expect("it runs")).await;
        ended(&mut self.child).await
    }

    /// What it logged.
    #[must_use]
    pub fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where the API, the inner port of searches and the admin listener are, as it logged.
    fn places(&self) -> Option<(Option<String>, Option<String>, String)> {
        let said = self.logged();
        let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let places = |fields: &Value| Some((text(&fields["api"]), text(&fields["search"]), text(&fields["admin"])?));
        lines.into_iter().find_map(|line| places(&line["fields"]))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what `{}` logged:\n{}", self.name, self.logged());
        }
    }
}
