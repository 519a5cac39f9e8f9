//! The event store on real Postgres, with a domain of its own: nothing lost, nothing twice, whatever stands against it.

mod adopt;
mod answers;
mod bounds;
mod faults;
mod foreign;
mod jar;
mod keys;
mod novelty;
mod order;
mod recover;
mod tampers;
mod truth;

use envelope::Cause;
use event_store::{Ask, Store, StoreConfig};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tests::{TestDatabase, empty_database};
use uuid::Uuid;

/// A store in a database of its own.
struct Fixture {
    database: TestDatabase,
    store: Store,
}

impl Fixture {
    async fn new() -> Self {
        let database = empty_database().await;
        Store::migrate(&config(&database)).await.expect("an empty database can be migrated");
        let store = Store::open(config(&database)).await.expect("it was migrated");
        Self { database, store }
    }

    /// What another process would have: the same store, its own appender and cache.
    async fn another(&self) -> Store {
        Store::open(config(&self.database)).await.expect("it was migrated")
    }

    /// An auditor's connection.
    async fn auditor(&self) -> PgPool {
        let options: PgConnectOptions = self.database.url().parse().expect("it is a URL of Postgres");
        PgPool::connect_with(options.options([("search_path", "es_jars")])).await.expect("the server answers")
    }
}

fn config(database: &TestDatabase) -> StoreConfig {
    StoreConfig::new("jars", database.url())
}

fn ask() -> Ask {
    Ask::new(Cause::new("tester", Uuid::now_v7()))
}

fn key(name: &str, body: u8) -> event_store::IdempotencyKey {
    event_store::IdempotencyKey { caller: "tester".to_owned(), key: name.to_owned(), fingerprint: [body; 32] }
}

async fn verified(store: &Store) -> event_store::verify::Report {
    let report = event_store::verify::store(&store.reader(), |_, _| {}).await.expect("the server answers");
    assert_eq!(report.violations, []);
    report
}
