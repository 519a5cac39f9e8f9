//! `handsel verify --all`: a healthy system holds, in every invariant, and what does not hold is told to programs too.

use std::collections::BTreeSet;
use std::time::Duration;

use handsel::commands::verify::subject;
use handsel::instance::Instance;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Executor as _, PgPool};
use tests::{ETA_MAX, Program, TestBroker, TestDatabase, World, until};
use verifier::checks::{CHECKS, Check};
use verifier::{Acknowledged, Journal, Options, Report, Verdict, verify_with};

use super::EXE;

const INVARIANTS: [&str; 17] =
    ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11", "I12", "I13", "I14", "I16", "I17", "I20"];
/// As many as lead to a snapshot, and some.
const RENAMES: usize = 104;
/// One more than a snapshot needs.
const RECEIPTS: usize = 101;

/// A system that has stopped, or goes on beside.
pub(super) struct Shop {
    pub(super) world: World,
    /// Everything that its only client was answered.
    pub(super) journal: Vec<Acknowledged>,
    /// Where the journal may be written.
    folder: tempfile::TempDir,
}

/// What is left when nothing runs any more.
pub(super) struct Stopped {
    pub(super) database: TestDatabase,
    pub(super) instance: Instance,
    pub(super) sql: PgPool,
    _broker: TestBroker,
}

impl Shop {
    /// Some orders and accounts, a product, some payments, and at last one account renamed so often that it has a
    /// snapshot.
    pub(super) async fn open() -> Self {
        let mut shop = Self { world: World::start().await, journal: Vec::new(), folder: tempfile::tempdir().unwrap() };
        for number in 0..12_u32 {
            let currency = if number % 3 == 0 { "EUR" } else { "USD" };
            let total = json!({"amount_minor": 100 + number, "currency": currency});
            let (customer, day) = (account(number % 4), format!("1997-01-{:02}", 10 + number % 5));
            let body = json!({"customer": customer, "ordered_on": day, "units": 1 + number, "total": total});
            shop.post("orders", "/v1/orders/import", &format!("order-{number}"), &body, "order", "OrderImported").await;
        }
        for number in 0..4 {
            let body = json!({"account": account(number), "name": format!("Ana {number}"), "email": "ana@example.org"});
            let key = format!("account-{number}");
            shop.post("identity", "/v1/accounts", &key, &body, "account", "AccountRegistered").await;
        }
        shop.sell().await;
        shop.pay().await;
        for version in 1..=RENAMES {
            shop.rename(&account(0), version).await;
        }
        shop
    }

    /// A product on sale, and so many pieces of it received that their stock has a snapshot.
    async fn sell(&mut self) {
        let body = json!({"product": account(9), "seller": account(1), "title": "Mug", "categories": ["kitchen", "all"],
                          "price": {"amount_minor": 1200, "currency": "USD"},
                          "variants": [{"sku": "RED", "title": "Red, \"bright\""}]});
        self.post("products", "/v1/products", "product", &body, "product", "ProductDrafted").await;
        let (id, stock) = (account(9), format!("{}/RED", account(9)));
        let place = format!("/v1/products/{id}");
        for (step, event) in [("propose", "ProductProposed"), ("approve", "ProductApproved")] {
            self.change(&format!("{place}/{step}"), step, &json!({}), &id, event).await;
        }
        for number in 0..RECEIPTS {
            let (path, key) = (format!("{place}/stock/RED/receive"), format!("receipt-{number}"));
            self.change(&path, &key, &json!({"quantity": 1}), &stock, "StockReceived").await;
        }
        let until = envelope::Timestamp::from_micros(platform::clock::now().micros() + 600_000_000).unwrap();
        let body = json!({"quantity": 3, "until": until});
        self.change(&format!("{place}/stock/RED/reservations"), "kept", &body, &stock, "StockReserved").await;
    }

    /// An order of it, which waits for its payment.
    pub(super) async fn buy(&mut self) {
        let lines = json!([{"product": account(9), "sku": "RED", "quantity": 2}]);
        let body = json!({"order": account(8), "customer": account(1), "lines": lines,
                          "payment_method": "pm_sim_action_required"});
        let answer = self.world.app.post("/v1/orders", "bought", &body).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        self.journal.push(Acknowledged {
            context: event_schemas::Context::Orders,
            aggregate: account(8),
            version: version(answer.header("etag")),
            key: Some("bought".to_owned()),
            caller: Some("tester".to_owned()),
            status: answer.status,
            answer: Some(answer.body.clone()),
            events: vec!["OrderPlaced".to_owned()],
            replays: 0,
        });
        until("the order waits for its payment", ETA_MAX, async || {
            let seen = self.world.app.get(&format!("/v1/orders/{}", account(8))).await;
            seen.status == 200 && seen.body["state"] == "reserved"
        })
        .await;
    }

    /// Changes a product or its stock by one event.
    async fn change(&mut self, path: &str, key: &str, body: &Value, aggregate: &str, event: &str) {
        let answer = self.world.app.post(path, key, body).await;
        assert!(matches!(answer.status, 200 | 204), "{}", answer.body);
        self.journal.push(Acknowledged {
            context: event_schemas::Context::Products,
            aggregate: aggregate.to_owned(),
            version: version(answer.header("etag")),
            key: Some(key.to_owned()),
            caller: Some("tester".to_owned()),
            status: answer.status,
            answer: None,
            events: vec![event.to_owned()],
            replays: 0,
        });
    }

    async fn post(&mut self, context: &str, path: &str, key: &str, body: &Value, id: &str, event: &str) {
        let answer = self.world.app.post(path, key, body).await;
        let again = self.world.app.post(path, key, body).await;
        assert_eq!((answer.status, again.status), (201, 201), "{}", answer.body);
        self.journal.push(Acknowledged {
            context: context.parse().unwrap(),
            aggregate: answer.body[id].as_str().unwrap().to_owned(),
            version: version(answer.header("etag")),
            key: Some(key.to_owned()),
            caller: Some("tester".to_owned()),
            status: answer.status,
            answer: Some(answer.body.clone()),
            events: vec![event.to_owned()],
            replays: 1,
        });
    }

    async fn rename(&mut self, account: &str, seen: usize) {
        let seen = format!("\"{seen}\"");
        let patch = ("content-type", "application/merge-patch+json");
        let headers = [("if-match", seen.as_str()), ("handsel-caller", "tester"), patch];
        let path = format!("/v1/accounts/{account}");
        let body = json!({"name": format!("Ana after {seen}")});
        let answer = self.world.app.ask(Method::PATCH, &path, &headers, Some(&body)).await;
        assert_eq!(answer.status, 204, "{}", answer.body);
        self.journal.push(Acknowledged {
            context: event_schemas::Context::Identity,
            aggregate: account.to_owned(),
            version: version(answer.header("etag")),
            key: None,
            caller: None,
            status: answer.status,
            answer: None,
            events: vec!["AccountRenamed".to_owned()],
            replays: 0,
        });
    }

    /// The journal as a file.
    pub(super) fn written(&self, journal: &[Acknowledged]) -> Journal {
        let file = self.folder.path().join("journal.jsonl");
        let lines: Vec<String> = journal.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
        std::fs::write(&file, lines.join("\n")).unwrap();
        Journal { file, complete: true }
    }

    pub(super) async fn sql(&self) -> PgPool {
        PgPool::connect(self.world.database.url()).await.unwrap()
    }

    /// Everything that can be asked of it while it runs.
    pub(super) fn options(&self) -> Options {
        Options {
            acknowledged: Some(self.written(&self.journal)),
            apis: vec![self.world.app.url.clone()],
            quiesced: true,
            settle_max: Duration::from_secs(30),
        }
    }

    /// The checks of these invariants.
    pub(super) async fn verify(&self, invariants: &[&str], options: Options) -> Report {
        verify(&self.world.app.instance, invariants, options).await
    }

    /// Everything is published and shown; then all roles end.
    pub(super) async fn stop(self) -> Stopped {
        let report = self.verify(&["I9"], self.options()).await;
        assert!(report.holds, "{report}");
        let sql = self.sql().await;
        let World { app, broker, database } = self.world;
        let instance = app.instance.clone();
        app.stop().await;
        Stopped { database, instance, sql, _broker: broker }
    }
}

impl Stopped {
    /// The checks of these invariants, on what lies there.
    pub(super) async fn verify(&self, invariants: &[&str]) -> Report {
        verify(&self.instance, invariants, Options::default()).await
    }
}

async fn verify(instance: &Instance, invariants: &[&str], options: Options) -> Report {
    let asked = |check: &&Check| invariants.is_empty() || check.invariants.iter().any(|one| invariants.contains(one));
    let checks: Vec<Check> = CHECKS.iter().filter(asked).copied().collect();
    verify_with(&subject(instance, options).await.unwrap(), &checks).await
}

/// The invariant is named, and so is the place.
#[track_caller]
pub(super) fn assert_violated(report: &Report, invariant: &str, place: &str) {
    assert!(!report.holds, "{report}");
    let named = report.violations_of(invariant).flat_map(|outcome| &outcome.evidence).any(|line| line.contains(place));
    assert!(named, "{invariant} at {place} is not among:\n{report}");
}

/// Changes what nobody may change.
pub(super) async fn tamper(sql: &PgPool, statement: &str) {
    let mut connection = sql.acquire().await.unwrap();
    connection.execute("set session_replication_role = replica").await.unwrap();
    let done = connection.execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    connection.execute("reset session_replication_role").await.unwrap();
    let _ = done;
}

pub(super) fn account(number: u32) -> String {
    format!("018f4e7a-0000-7000-8000-{number:0>12}")
}

fn version(etag: &str) -> i64 {
    etag.trim_matches('"').parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_system_holds_in_every_invariant() {
    let mut shop = Shop::open().await;
    shop.buy().await;
    let report = shop.verify(&[], shop.options()).await;
    assert!(report.holds, "{report}");
    let looked: BTreeSet<&str> = report
        .checks
        .iter()
        .filter(|outcome| {
            outcome.verdict == Verdict::Holds && outcome.seen.values().any(|seen| seen.as_u64() > Some(0))
        })
        .flat_map(|outcome| outcome.invariants.iter().copied())
        .collect();
    assert_eq!(looked, BTreeSet::from(INVARIANTS), "each was looked at, at something:\n{report}");
    let snapshots = report.checks.iter().find(|outcome| outcome.invariants == ["I6"]).unwrap();
    assert_eq!(snapshots.seen["snapshots"], 1, "{report}");
    shop.world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_shop_holds_while_it_runs_and_after_it_has_stopped() {
    let world = super::world().await;
    let env = [("DATABASE_URL", world.database.url()), ("KAFKA_BROKERS", world.broker.brokers())];
    let master = tests::master_key().to_text();
    let env = [env[0], env[1], ("HANDSEL_MASTER_KEY", master.as_str())];
    let program = Program::new(EXE, &[], &env);
    let words = ["verify", "--all", "--quiesced", "--topic-prefix", world.broker.prefix(), "--api", &world.app.url];
    let said = program.call(&words).await.ok();
    assert!(said.contains("I2 I3 I5 store orders") && said.contains("243 events, 243 aggregates"), "{said}");
    assert!(
        said.contains("I12 read model sales_summary against its oracle: 243 events, 2 rows answered, 1 rows, holds"),
        "{said}"
    );
    assert!(said.trim_end().ends_with("everything that was looked at holds"), "{said}");
    world.app.stop().await;
    let said = program.call(&["verify", "--all", "--topic-prefix", world.broker.prefix()]).await.ok();
    assert!(said.contains("I13") && said.contains("not looked at: nobody answers queries here"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_read_the_same_as_one_object() {
    let shop = Shop::open().await;
    let master = tests::master_key().to_text();
    let (database, brokers) = (shop.world.database.url(), shop.world.broker.brokers());
    let env = [("DATABASE_URL", database), ("KAFKA_BROKERS", brokers), ("HANDSEL_MASTER_KEY", master.as_str())];
    let program = Program::new(EXE, &[], &env);
    let journal = shop.written(&shop.journal).file.display().to_string();
    let words = ["verify", "--all", "--acknowledged", &journal, "--complete", "--format", "json"];
    let words = [&words[..], &["--topic-prefix", shop.world.broker.prefix()]].concat();
    let said: Value = serde_json::from_str(&program.call(&words).await.ok()).unwrap();
    assert_eq!(said["holds"], true);
    let sql = shop.sql().await;
    sql.execute("update read.sales_summary_v1 set units = units + 1 where currency = 'USD'").await.unwrap();
    let finished = program.call(&words).await;
    assert!(!finished.status.success());
    let said: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(said["holds"], false);
    let found: BTreeSet<&str> = said["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["verdict"] == "does_not_hold")
        .flat_map(|check| check["invariants"].as_array().unwrap())
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(found, BTreeSet::from(["I11", "I12"]), "{}", finished.stdout);
    shop.world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_under_load_holds_at_every_moment() {
    let shop = Shop::open().await;
    let (url, http) = (shop.world.app.url.clone(), reqwest::Client::new());
    let load = tokio::spawn(async move {
        for number in 0_u64.. {
            let total = json!({"amount_minor": number, "currency": "USD"});
            let body = json!({"customer": account(1), "ordered_on": "1997-02-01", "units": 1, "total": total});
            let request = http.post(format!("{url}/v1/orders/import")).header("handsel-caller", "load");
            let answer = request.header("idempotency-key", format!("\"load-{number}\"")).json(&body).send().await;
            let answer = answer.unwrap();
            assert_eq!(answer.status(), 201);
            // As fast as it can be seen, so that there is always something under way and never a flood.
            let token = answer.headers()["consistency-token"].clone();
            let seen = http.get(format!("{url}/v1/sales/summary?filter[currency]=USD"));
            assert_eq!(seen.header("consistency-token", token).send().await.unwrap().status(), 200);
        }
    });
    let options = Options { acknowledged: None, quiesced: false, ..shop.options() };
    let reader = shop.world.app.spine.stores[&event_schemas::Context::Orders].reader();
    let mut before = reader.head().await.unwrap().position;
    for _ in 0..2 {
        let report = shop.verify(&[], options.clone()).await;
        assert!(report.holds, "{report}");
        until("the store has grown meanwhile", tests::ETA_MAX, || async {
            reader.head().await.unwrap().position > before
        })
        .await;
        before = reader.head().await.unwrap().position;
    }
    load.abort();
    _ = load.await;
    shop.world.app.stop().await;
}
