//! `handsel doctor`: every cause is planted, and it names it; where nothing is planted, it names none.

mod healthy;
mod machine;
mod postgres;
mod process;
mod rows;
mod servers;
mod work;

use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection};
use tests::{Program, TestDatabase, append_chained};

use super::EXE;

/// Ports that are free on any machine, so that what else runs here is no finding.
const FREE_PORTS: [&str; 6] = ["--port", "0", "--admin-port", "0", "--broker-port", "0"];

/// What it said.
struct Said {
    status: bool,
    seen: Value,
}

async fn ask(program: &Program, words: &[&str]) -> Said {
    let finished = program.call(&[&["doctor", "--format", "json"], &FREE_PORTS[..], words].concat()).await;
    let seen = serde_json::from_str(&finished.stdout);
    let seen = seen.unwrap_or_else(|error| panic!("{error}:\n{}\n{}", finished.stdout, finished.stderr));
    Said { status: finished.status.success(), seen }
}

/// An instance on servers that somebody else keeps.
fn on(database: &TestDatabase) -> Program {
    Program::new(EXE, &[], &[("DATABASE_URL", database.url())])
}

/// What it says of this database.
async fn ask_of(database: &TestDatabase, words: &[&str]) -> Said {
    ask(&on(database), words).await
}

impl Said {
    fn codes(&self) -> Vec<&str> {
        let findings = self.seen["findings"].as_array().expect("findings are a list").iter();
        findings.map(|finding| finding["code"].as_str().expect("a code is text")).collect()
    }

    /// The evidence of a cause that must have been named, with why and what to do.
    fn names(&self, code: &str) -> &str {
        let findings = self.seen["findings"].as_array().expect("findings are a list");
        let finding = findings.iter().find(|finding| finding["code"] == code);
        let finding = finding.unwrap_or_else(|| panic!("{code} is not named: {:#}", self.seen));
        for part in ["why", "next"] {
            assert!(finding[part].as_str().is_some_and(|text| text.len() > 10), "{finding}");
        }
        if finding["severity"] == "error" {
            assert!(!self.status, "an error was found: {}", self.seen);
        }
        finding["seen"].as_str().expect("the evidence is text")
    }

    fn not_looked_at(&self, check: &str) -> bool {
        self.seen["not_looked_at"].as_array().expect("it is a list").iter().any(|unseen| unseen["check"] == check)
    }
}

/// A session under a name, as roles have one.
async fn session(database: &TestDatabase, application: &str) -> PgConnection {
    let options: PgConnectOptions = database.url().parse().unwrap();
    options.application_name(application).connect().await.unwrap()
}

async fn plant(database: &TestDatabase, sql: &str) {
    let mut connection = session(database, "test").await;
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
}

/// Appends an event past the commands, chained as it must be.
async fn append(database: &TestDatabase, schema: &str, payload: &str, recorded_at: &str) {
    let columns = format!(
        r#"'thing', gen_random_uuid()::text, 1, gen_random_uuid(), 'ThingHappened', '1', '{payload}',
           '{{"actor":"test","correlation_id":"018f4e7a-0000-7000-8000-0000000000cc"}}', {recorded_at}"#
    );
    plant(database, &append_chained(schema, &columns)).await;
}
