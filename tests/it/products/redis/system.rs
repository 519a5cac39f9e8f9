//! The system with two query APIs, each role a process of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Client;
use serde_json::json;
use tests::{Answer, Program, Service, TestBroker, TestDatabase, broker, empty_database};

use crate::EXE;
use crate::products::mug;

const CALLER: &str = "handsel-caller";
const TOKEN: &str = "consistency-token";

pub(super) struct System {
    commands: Service,
    projector: Service,
    queries: [Service; 2],
    http: Client,
    /// One for each writer.
    pub(super) products: Vec<String>,
    drafted: AtomicUsize,
    _database: TestDatabase,
    _broker: TestBroker,
}

impl System {
    /// With a product for each writer.
    pub(super) async fn start(redis: &str, writers: usize) -> Self {
        let (database, broker) = (empty_database().await, broker().await);
        let env = [
            ("DATABASE_URL", database.url()),
            ("KAFKA_BROKERS", broker.brokers()),
            ("HANDSEL_TOPIC_PREFIX", broker.prefix()),
            ("KAFKA_FETCH_WAIT_MAX_MS", "5"),
            ("REDIS_URL", redis),
        ];
        let program = Program::new(EXE, &[], &env);
        program.call(&["migrate"]).await.ok();
        let start = async |words: &[&str]| Service::start(&program, words).await;
        let (commands, projector) = (start(&["command-api"]).await, start(&["projector"]).await);
        let queries = [start(&["query-api"]).await, start(&["query-api"]).await];
        let (http, products, drafted) = (Client::new(), vec![], AtomicUsize::new(0));
        let mut system =
            Self { commands, projector, queries, http, products, drafted, _database: database, _broker: broker };
        for _ in 0..writers {
            let product = system.draft(&[0, 1]).await;
            system.products.push(product);
        }
        system
    }

    /// Drafts a product, and reads it at these processes.
    pub(super) async fn draft(&self, at: &[usize]) -> String {
        let number = self.drafted.fetch_add(1, Ordering::Relaxed);
        let id = format!("018f4e7a-0000-7000-8000-0000000b{number:04}");
        let mut body = mug();
        body["product"] = json!(id);
        let url = format!("{}/v1/products", self.commands.url);
        let asked = self.http.post(url).header(CALLER, "ana").header("idempotency-key", format!("\"{number}\""));
        let made = Answer::read(asked.json(&body).send().await.unwrap()).await;
        assert_eq!(made.status, 201, "{}", made.body);
        for at in at {
            self.title_of(*at, &id, Some(made.header(TOKEN))).await;
        }
        id
    }

    /// Gives a writer's product another title: the token of that.
    pub(super) async fn retitle(&self, writer: usize, title: &str) -> String {
        let url = format!("{}/v1/products/{}", self.commands.url, self.products[writer]);
        let asked = self.http.patch(url).header(CALLER, "ana").header("if-match", "*");
        let asked = asked.header("content-type", "application/merge-patch+json");
        let body = json!({ "title": title }).to_string();
        let done = Answer::read(asked.body(body).send().await.unwrap()).await;
        assert_eq!(done.status, 204, "{}", done.body);
        done.header(TOKEN).to_owned()
    }

    /// The title of a writer's product at one of the processes.
    pub(super) async fn title(&self, at: usize, writer: usize, token: Option<&str>) -> String {
        self.title_of(at, &self.products[writer], token).await
    }

    pub(super) async fn title_of(&self, at: usize, product: &str, token: Option<&str>) -> String {
        let mut asked = self.http.get(format!("{}/v1/products/{product}", self.queries[at].url));
        if let Some(token) = token {
            asked = asked.header(TOKEN, token);
        }
        let seen = Answer::read(asked.send().await.unwrap()).await.ok();
        seen["title"].as_str().unwrap_or_else(|| panic!("{seen}")).to_owned()
    }

    /// How often the second tier of a process was asked with this outcome.
    pub(super) async fn reads(&self, at: usize, outcome: &str) -> u64 {
        self.count(at, &format!("handsel_product_cache_redis_reads_total{{outcome=\"{outcome}\"}}")).await
    }

    /// How many answers were looked at again, with this outcome.
    pub(super) async fn checks(&self, at: usize, outcome: &str) -> u64 {
        self.count(at, &format!("handsel_product_cache_checks_total{{outcome=\"{outcome}\"}}")).await
    }

    async fn count(&self, at: usize, series: &str) -> u64 {
        let text = self.admin(at, "/metrics").await;
        let value = text.lines().find_map(|line| line.strip_prefix(series)).unwrap_or_else(|| panic!("{series}"));
        value.trim().parse().unwrap()
    }

    /// Whether a process, which stays ready, says that Redis does not answer.
    pub(super) async fn remarks(&self, at: usize) -> bool {
        let ready = self.admin(at, "/readyz?verbose").await;
        assert!(!ready.contains("[-]"), "nobody needs Redis: {ready}");
        ready.contains("redis ok, but Redis does not answer")
    }

    async fn admin(&self, at: usize, path: &str) -> String {
        let asked = self.http.get(format!("{}{path}", self.queries[at].admin_url)).send().await.unwrap();
        asked.error_for_status().unwrap().text().await.unwrap()
    }

    pub(super) async fn stop(self) {
        let [first, second] = self.queries;
        for service in [first, second, self.projector, self.commands] {
            let said = service.logged();
            assert!(!said.contains("A product was answered that had changed"), "{said}");
            assert!(service.terminate().await.success());
        }
    }
}
