//! The program in process: its roles on free ports, on a database and a broker of the test.

use std::collections::BTreeMap;
use std::time::Duration;

use event_schemas::Context;
use event_store::keys::MasterKey;
use handsel::instance::{Instance, Urls};
use handsel::roles::{self, Plan, Role, Sockets};
use handsel::settings::ServerSettings;
use handsel::spine::Spine;
use platform::settings::Secret;
use platform::shutdown::{DRAIN_MAX, Shutdown};
use reqwest::Method;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::{ETA_MAX, TestBroker, TestDatabase, until};

/// Roles that run in this process, and how to talk to them.
pub struct TestApp {
    /// The API.
    pub url: String,
    /// Liveness, readiness and metrics.
    pub admin_url: String,
    /// What it works on.
    pub instance: Instance,
    /// The same, open.
    pub spine: Spine,
    http: reqwest::Client,
    shutdown: Shutdown,
    running: JoinHandle<anyhow::Result<()>>,
    _folder: tempfile::TempDir,
}

/// An answer, read.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Its body; `null` if there was none or it was no JSON.
    pub body: Value,
}

/// Everything that a test of the whole system needs, on one database and one broker.
pub struct World {
    /// The roles.
    pub app: TestApp,
    /// Their broker.
    pub broker: TestBroker,
    /// Their database.
    pub database: TestDatabase,
}

impl World {
    /// All roles, ready.
    ///
    /// # Panics
    /// If they do not start.
    pub async fn start() -> Self {
        let (database, broker) = (crate::database().await, crate::broker().await);
        let app = TestApp::start(&database, &broker, &Role::ALL).await;
        Self { app, broker, database }
    }
}

impl TestApp {
    /// Starts these roles with everything in one migrated database.
    ///
    /// # Panics
    /// If they do not become ready.
    pub async fn start(database: &TestDatabase, broker: &TestBroker, roles: &[Role]) -> Self {
        let url = Secret::new(database.url());
        let stores = Context::ALL.map(|context| (context, url.clone())).into();
        Self::start_on(Urls { stores, keys: url.clone(), views: url }, broker, roles).await
    }

    /// Starts these roles on these migrated databases.
    ///
    /// # Panics
    /// If they do not become ready.
    pub async fn start_on(urls: Urls, broker: &TestBroker, roles: &[Role]) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().to_str().expect("its name is text");
        let words = ["--port", "0", "--admin-port", "0", "--topic-prefix", broker.prefix(), "--data-dir", path];
        let server = ServerSettings::from_words(words).expect("the words are settings");
        let instance = Instance::on(server.common, urls, broker.settings(), broker.is_embedded(), &master_key());
        handsel::migrate::topics(&instance).await.expect("topics can be declared");
        let spine = Spine::open(&instance, &Context::ALL).await.expect("the databases were migrated");
        let mut sockets = Sockets::open(&server.http, true).await.expect("there are free ports");
        if roles.contains(&Role::Search) {
            sockets = sockets.with_search(&server.search, 0).await.expect("there are free ports");
        }
        let url = format!("http://127.0.0.1:{}", sockets.api_port());
        let admin_url = format!("http://127.0.0.1:{}", sockets.admin_port());
        let plan = Plan {
            roles: roles.to_vec(),
            full_topics: true,
            only: None,
            partitions: None,
            http: server.http.clone(),
            search: server.search.clone(),
            reads: server.reads.clone(),
        };
        let shutdown = Shutdown::new();
        let started = roles::start(&instance, &spine, plan, sockets, shutdown.clone()).await.expect("the roles start");
        let readiness = started.readiness().clone();
        let running = tokio::spawn(started.run(DRAIN_MAX));
        let http = reqwest::Client::new();
        let app = Self { url, admin_url, instance, spine, http, shutdown, running, _folder: folder };
        until("every part is ready", ETA_MAX, || async { readiness.is_ready() }).await;
        app
    }

    /// Drains and ends it.
    ///
    /// # Panics
    /// If a part failed.
    pub async fn stop(self) {
        self.shutdown.begin();
        self.running.await.expect("no part panicked").expect("no part failed");
    }

    /// Ends it at once, as a crash would.
    pub fn kill(self) {
        self.running.abort();
    }

    /// Reads a path.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], None).await
    }

    /// Reads a path as it is after what a token speaks of.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn get_after(&self, path: &str, token: &str) -> Answer {
        self.ask(Method::GET, path, &[("consistency-token", token)], None).await
    }

    /// Sends a command under a key.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        let key = format!("\"{key}\"");
        self.ask(Method::POST, path, &[("idempotency-key", &key), ("handsel-caller", "tester")], Some(body)).await
    }

    /// Sends anything.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).timeout(Duration::from_secs(30));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::read(request.send().await.expect("the app answers")).await
    }
}

impl Answer {
    /// Reads the whole answer.
    ///
    /// # Panics
    /// If it breaks off.
    pub async fn read(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let bytes = response.bytes().await.expect("the answer is whole");
        Self { status, headers, body: serde_json::from_slice(&bytes).unwrap_or_default() }
    }

    /// A header; empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body of a success.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.body);
        self.body
    }
}

/// The same for every test, so that databases can be opened again.
#[must_use]
pub fn master_key() -> MasterKey {
    MasterKey::parse(&"5a".repeat(32)).expect("64 hexadecimal digits")
}
