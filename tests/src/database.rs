//! A database for each test, copied from a migrated template on one server, and dropped at the end.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use event_schemas::Context;
use handsel::instance::Urls;
use platform::settings::Secret;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use tokio::sync::OnceCell;

use crate::{background, server};

/// What a test run before this one left behind is dropped after an hour: until then it may still be running.
const LEFTOVER_AGE_SECONDS: u64 = 3600;
const PREFIX: &str = "handsel_test_";

/// A database of one test alone. It is dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
}

impl TestDatabase {
    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Another one with the same in it: a backup. Nobody may be connected to this one.
    ///
    /// # Panics
    /// If somebody is.
    pub async fn copy(&self) -> Self {
        create(Some(self.name.clone())).await
    }

    /// Throws away what is in it, and with it everybody who is connected, and puts there what another one holds.
    ///
    /// # Panics
    /// If somebody is connected to the other one.
    pub async fn restore(&self, backup: &Self) {
        let (name, from) = (self.name.clone(), backup.name.clone());
        background::run(move || async move {
            let mut admin = admin().await.expect("the test server answers");
            execute(&mut admin, format!(r#"drop database "{name}" with (force)"#)).await.expect("it can be dropped");
            let copy = format!(r#"create database "{name}" template "{from}""#);
            execute(&mut admin, copy).await.expect("it can be copied");
        })
        .await;
    }

    /// Its name on the server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        // A server of our own goes with the process anyway; on another one a database must not be left behind.
        background::run_blocking(move || async move {
            if let Ok(mut admin) = admin().await {
                let _ = execute(&mut admin, format!(r#"drop database if exists "{name}" with (force)"#)).await;
            }
        });
    }
}

/// A migrated database: every store, the keys and the read models.
///
/// # Panics
/// If there is no server.
pub async fn database() -> TestDatabase {
    let template = background::run(template).await;
    create(Some(template.to_owned())).await
}

/// A database with nothing in it.
///
/// # Panics
/// If there is no server.
pub async fn empty_database() -> TestDatabase {
    create(None).await
}

async fn create(template: Option<String>) -> TestDatabase {
    background::run(move || async move {
        let name = unused_name();
        let from = template.map(|name| format!(r#" template "{name}""#)).unwrap_or_default();
        let mut admin = admin().await.expect("the test server answers");
        execute(&mut admin, format!(r#"create database "{name}"{from}"#)).await.expect("a database can be made");
        let url = server::url_of(&name).await;
        TestDatabase { name, url }
    })
    .await
}

/// Migrates once per process.
async fn template() -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    TEMPLATE
        .get_or_init(|| async {
            let mut admin = admin().await.expect("the test server answers");
            drop_leftovers(&mut admin).await.expect("old test databases can be dropped");
            let name = unused_name();
            execute(&mut admin, format!(r#"create database "{name}""#)).await.expect("a database can be made");
            migrate(&server::url_of(&name).await).await.expect("an empty database can be migrated");
            name
        })
        .await
}

async fn migrate(url: &str) -> anyhow::Result<()> {
    let url = Secret::new(url);
    let stores = Context::ALL.map(|context| (context, url.clone())).into();
    handsel::migrate::databases(&Urls { stores, keys: url.clone(), views: url }).await
}

/// `handsel_test_<made at>_<process>_<count>`: unique on any server, and its age can be read.
fn unused_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}_{}_{count}", seconds_now(), std::process::id())
}

fn seconds_now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}

async fn drop_leftovers(admin: &mut PgConnection) -> anyhow::Result<()> {
    let names: Vec<String> = sqlx::query_scalar("select datname from pg_database where datname like $1 || '%'")
        .bind(PREFIX)
        .fetch_all(&mut *admin)
        .await?;
    let made_at = |name: &str| name.strip_prefix(PREFIX)?.split('_').next()?.parse::<u64>().ok();
    for name in names {
        if made_at(&name).is_some_and(|made| made + LEFTOVER_AGE_SECONDS < seconds_now()) {
            execute(admin, format!(r#"drop database if exists "{name}" with (force)"#)).await?;
        }
    }
    Ok(())
}

async fn admin() -> anyhow::Result<PgConnection> {
    let options: PgConnectOptions = server::url().await.parse()?;
    PgConnection::connect_with(&options.disable_statement_logging()).await.context("connecting to the test server")
}

async fn execute(admin: &mut PgConnection, sql: String) -> anyhow::Result<()> {
    admin.execute(sql.as_str()).await.with_context(|| sql.clone())?;
    Ok(())
}
