//! Stores with events that a test wrote, and projections over them.

use std::collections::BTreeSet;

use event_schemas::identity::AccountEvent;
use event_schemas::ids::{AccountId, OrderId};
use event_schemas::orders::OrderEvent;
use event_schemas::{Context, Event, Money};
use event_store::keys::{KeyRing, MasterKey};
use event_store::{Store, StoreConfig};
use platform::progress::Progress;
use platform::readiness::Readiness;
use platform::settings::Secret;
use projectors::registry::READ_MODELS;
use projectors::{Config, Stores};
use rdkafka::ClientConfig;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use tests::{ETA_MAX, TestDatabase, until};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// One database with every store, the keys and the read models.
pub(super) struct World {
    pub(super) database: TestDatabase,
    pub(super) views: PgPool,
    pub(super) stores: Stores,
    pub(super) keys: KeyRing,
}

/// An event as a test writes it into a store, past the commands.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) aggregate: (&'static str, String),
    pub(super) sequence: i64,
    pub(super) event_id: Uuid,
    pub(super) event_type: String,
    pub(super) event_version: String,
    pub(super) payload: String,
}

/// A runner that ends with the test, or when it is told.
pub(super) struct Running {
    pub(super) progress: Progress,
    readiness: Readiness,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl World {
    pub(super) async fn new() -> Self {
        let database = tests::database().await;
        let views = PgPool::connect(database.url()).await.unwrap();
        let mut stores = Vec::new();
        for context in Context::ALL {
            let config = StoreConfig::new(context.name(), database.url());
            Store::migrate(&config).await.unwrap();
            stores.push((context, Store::open(config).await.unwrap().reader()));
        }
        KeyRing::migrate(database.url()).await.unwrap();
        let keys = KeyRing::connect(views.clone(), MasterKey::random()).await.unwrap();
        projectors::migrate(&views).await.unwrap();
        Self { database, views, stores: Stores::new(stores), keys }
    }

    /// Appends events to a store, as they are.
    pub(super) async fn append(&self, context: Context, events: &[Given]) {
        append(&mut self.views.acquire().await.unwrap(), context, events).await;
    }

    /// As after the promotion of a replica that lacked what comes after a position: other events take the places.
    pub(super) async fn lose(&self, context: Context, after: i64, then: &[Given]) {
        let mut tx = self.views.begin().await.unwrap();
        let lose = format!(
            "alter table es_{context}.events disable trigger all;
             delete from es_{context}.events where position > {after};
             alter table es_{context}.events enable trigger all"
        );
        sqlx::raw_sql(&lose).execute(&mut *tx).await.unwrap();
        append(&mut tx, context, then).await;
        tx.commit().await.unwrap();
    }

    /// Follows everything from the stores alone.
    pub(super) fn run(&self) -> Running {
        self.run_with(None, None)
    }

    pub(super) fn run_with(&self, kafka: Option<ClientConfig>, partitions: Option<BTreeSet<i32>>) -> Running {
        self.run_on(self.url(), kafka, partitions)
    }

    /// The same on another way to the views.
    pub(super) fn run_on(
        &self,
        views_url: Secret,
        kafka: Option<ClientConfig>,
        partitions: Option<BTreeSet<i32>>,
    ) -> Running {
        let readiness = Readiness::new();
        let config = Config {
            views_url,
            kafka,
            topics: Default::default(),
            group: "handsel.projector.v1".to_owned(),
            embedded_broker: false,
            partitions,
            only: None,
            check: Some(readiness.check("projector")),
        };
        let (progress, stop) = (Progress::default(), CancellationToken::new());
        let run = projectors::run(config, self.stores.clone(), Some(self.keys.clone()), progress.clone(), stop.clone());
        Running { progress, readiness, stop, task: tokio::spawn(run) }
    }

    pub(super) fn url(&self) -> Secret {
        Secret::new(self.database.url())
    }

    /// Every row of a query as JSON.
    pub(super) async fn rows(&self, query: &str) -> Vec<Value> {
        sqlx::query_scalar(&format!("select to_json(q) from ({query}) q")).fetch_all(&self.views).await.unwrap()
    }

    pub(super) async fn count(&self, of: &str) -> i64 {
        sqlx::query_scalar(&format!("select count(*) from {of}")).fetch_one(&self.views).await.unwrap()
    }

    pub(super) async fn until_count(&self, of: &str, count: i64) {
        until(&format!("{of} has {count} rows"), ETA_MAX, async || self.count(of).await == count).await;
    }

    /// Waits until every read model has everything that is in the stores.
    pub(super) async fn settled(&self) {
        let head = |of: Context| {
            format!("c.position < (select coalesce(max(position), 0) from es_{of}.events where c.context = '{of}')")
        };
        let behind = format!(
            "select count(*) from read.checkpoints c join read.generations g using (projection, generation)
              where g.state = 'live' and ({})",
            Context::ALL.map(head).join(" or ")
        );
        let checkpoints = "(select distinct projection from read.checkpoints) names";
        until("every view has caught up", ETA_MAX, async || {
            self.count(checkpoints).await == READ_MODELS.len() as i64
                && sqlx::query_scalar::<_, i64>(&behind).fetch_one(&self.views).await.unwrap() == 0
        })
        .await;
    }
}

async fn append(db: &mut PgConnection, context: Context, events: &[Given]) {
    let sql = format!(
        "insert into es_{context}.events (position, aggregate_type, aggregate_id, sequence, event_id, event_type,
                                              event_version, payload, metadata, recorded_at, chain)
             select (select coalesce(max(position), 0) from es_{context}.events) + row_number() over (order by n),
                    t, a, s, e, et, ev, p::json,
                    json_build_object('actor', 'test', 'correlation_id', e), timestamptz '2026-01-01Z', sha256('')
               from unnest($1::text[], $2::text[], $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::text[])
                    with ordinality as g(t, a, s, e, et, ev, p, n)"
    );
    sqlx::query(&sql)
        .bind(events.iter().map(|event| event.aggregate.0).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.aggregate.1.as_str()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.sequence).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.event_id).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.event_type.as_str()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.event_version.as_str()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.payload.as_str()).collect::<Vec<_>>())
        .execute(db)
        .await
        .unwrap();
}

impl Running {
    /// What the readiness of its process says of it.
    pub(super) fn check(&self) -> String {
        self.readiness.report().lines().find(|line| line.contains("projector")).unwrap_or_default().to_owned()
    }

    pub(super) async fn until_check(&self, says: &str) {
        until(&format!("the check says `{says}`"), ETA_MAX, async || self.check().contains(says)).await;
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// As if the process were killed: nothing is given back by the runner itself.
    pub(super) async fn kill(self) {
        self.task.abort();
        _ = self.task.await;
    }
}

/// An order of 2 pieces for 10 dollars by customer `number % 10`, on a day of January.
pub(super) fn order(number: u128) -> Given {
    imported(number, "USD", 1_000)
}

pub(super) fn imported(number: u128, currency: &str, amount_minor: i64) -> Given {
    let day = u32::try_from(number % 28).unwrap() + 1;
    let event = OrderEvent::OrderImported {
        order: OrderId(order_id(number)),
        customer: AccountId(Uuid::from_u128(0xc000 + number % 10)),
        ordered_on: chrono::NaiveDate::from_ymd_opt(1997, 1, day).unwrap(),
        units: 2,
        total: Money { amount_minor, currency: currency.parse().unwrap() },
    };
    given(("order", order_id(number)), 1, event.into())
}

pub(super) fn order_id(number: u128) -> Uuid {
    Uuid::from_u128((0xa << 120) + number)
}

/// An order whose event cannot be decoded.
pub(super) fn broken_order(number: u128) -> Given {
    Given { payload: r#"{"strange":true}"#.to_owned(), ..order(number) }
}

pub(super) fn account_id(number: u128) -> Uuid {
    Uuid::from_u128((0xb << 120) + number)
}

pub(super) async fn registered(keys: &KeyRing, number: u128, name: &str) -> Given {
    let account = account_id(number);
    let key = keys.key_of(&account.to_string()).await.unwrap().unwrap();
    let event = AccountEvent::AccountRegistered {
        account: AccountId(account),
        name: key.seal("name", &name.to_owned()),
        email: key.seal("email", &format!("{number}@example.org")),
        reference: Some(format!("{number:05}")),
    };
    given(("account", account), 1, event.into())
}

pub(super) async fn renamed(keys: &KeyRing, number: u128, sequence: i64, name: &str) -> Given {
    let account = account_id(number);
    let key = keys.key_of(&account.to_string()).await.unwrap().unwrap();
    let event = AccountEvent::AccountRenamed { name: key.seal("name", &name.to_owned()) };
    given(("account", account), sequence, event.into())
}

pub(super) fn given(aggregate: (&'static str, impl ToString), sequence: i64, event: Event) -> Given {
    let (kind, id) = (aggregate.0, aggregate.1.to_string());
    let name = format!("{kind} {id} {sequence}");
    Given {
        event_id: Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()),
        aggregate: (kind, id),
        sequence,
        event_type: event.name().to_owned(),
        event_version: event.version().to_owned(),
        payload: event.fields().unwrap(),
    }
}
