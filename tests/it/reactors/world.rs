//! Policies over stores of their own, without an API in front.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::identity::{Account, AccountCommand};
use domain::orders::{Order, OrderCommand, Placing, Stage};
use domain::products::{Draft, Edit, ProductCommand, Shown, StockCommand};
use envelope::Cause;
use event_schemas::identity::field;
use event_schemas::ids::{AccountId, OrderId, ProductId};
use event_schemas::orders::OrderLine;
use event_schemas::products::Variant;
use event_schemas::{Context, Currency, Money, Sku};
use event_store::keys::{KeyRing, MasterKey, Sealer};
use event_store::{Ask, Commands, Store, StoreConfig};
use handsel::aggregates;
use platform::readiness::Readiness;
use platform::settings::Secret;
use reactors::mail::{Mailbox, Mailer, Post};
use reactors::payments::{PaymentProvider, Simulator, SimulatorSettings};
use reactors::{Config, Sender};
use sqlx::PgPool;
use tests::{ETA_MAX, TestDatabase, database, until};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Who orders.
const CUSTOMER: AccountId = AccountId(Uuid::nil());

pub(super) struct World {
    pub(super) database: TestDatabase,
    pub(super) views: PgPool,
    pub(super) stores: BTreeMap<Context, Store>,
    pub(super) sender: Sender,
    pub(super) provider: Simulator,
    pub(super) keys: KeyRing,
}

/// Policies that run.
pub(super) struct Running {
    pub(super) readiness: Readiness,
    task: JoinHandle<anyhow::Result<()>>,
    shutdown: CancellationToken,
}

impl World {
    pub(super) async fn new() -> Self {
        let database = database().await;
        let views = PgPool::connect(database.url()).await.unwrap();
        let mut stores = BTreeMap::new();
        for context in Context::ALL {
            stores.insert(context, Store::open(StoreConfig::new(context.name(), database.url())).await.unwrap());
        }
        let sender = aggregates::sender(&stores).unwrap();
        let settings = SimulatorSettings { late_ms: 1_500, ..SimulatorSettings::default() };
        let provider = Simulator::new(views.clone(), settings);
        let keys = KeyRing::connect(views.clone(), MasterKey::random()).await.unwrap();
        Self { database, views, stores, sender, provider, keys }
    }

    /// Whatever is asked from now on goes through stores that are open a second time, as in another process.
    pub(super) async fn asks_elsewhere(&mut self) {
        let mut stores = BTreeMap::new();
        for context in Context::ALL {
            stores.insert(context, Store::open(StoreConfig::new(context.name(), self.database.url())).await.unwrap());
        }
        self.sender = aggregates::sender(&stores).unwrap();
    }

    pub(super) fn run(&self) -> Running {
        self.run_with(Arc::new(self.provider.clone()))
    }

    pub(super) fn run_with(&self, provider: Arc<dyn PaymentProvider>) -> Running {
        self.run_all(provider, self.mailer(Post::of(None, None).unwrap()))
    }

    pub(super) fn mailer(&self, post: (Post, Mailbox)) -> Mailer {
        Mailer::new(self.accounts(), self.keys.clone(), post)
    }

    /// Policies whose mail goes as this says.
    pub(super) fn run_mailing(&self, mailer: Mailer) -> Running {
        self.run_all(Arc::new(self.provider.clone()), mailer)
    }

    fn run_all(&self, provider: Arc<dyn PaymentProvider>, mailer: Mailer) -> Running {
        let (readiness, shutdown) = (Readiness::new(), CancellationToken::new());
        let config = Config {
            url: Secret::new(self.database.url()),
            stores: self.stores.clone(),
            sender: self.sender.clone(),
            provider,
            mailer,
            readiness: readiness.clone(),
        };
        readiness.started();
        let task = tokio::spawn(reactors::run(config, shutdown.clone()));
        Running { readiness, task, shutdown }
    }

    fn accounts(&self) -> Commands<Account> {
        aggregates::accounts(&self.stores[&Context::Identity])
    }

    /// Gives an account to whoever orders.
    pub(super) async fn registers(&self, name: &str, email: &str) {
        let customer = CUSTOMER.to_string();
        let (name, email) = (name.to_owned(), email.to_owned());
        let seal = |seal: &Sealer| (seal.seal(field::NAME, &name), seal.seal(field::EMAIL, &email));
        let (name, email) = self.keys.sealed(&customer, seal).await.unwrap();
        let command = AccountCommand::Register { account: CUSTOMER, name, email, reference: None };
        self.accounts().execute(&customer, command, by_ana()).await.unwrap();
    }

    /// Destroys the key of whoever orders.
    pub(super) async fn erases(&self) {
        self.keys.erase(&CUSTOMER.to_string()).await.unwrap();
    }

    /// Puts a gift on sale, which costs nothing, and gives its id.
    pub(super) async fn sells(&self, pieces: i64) -> ProductId {
        self.sells_for(0, pieces).await
    }

    pub(super) async fn sells_for(&self, amount_minor: i64, pieces: i64) -> ProductId {
        let product = ProductId::new();
        let price = Money { amount_minor, currency: Currency::USD };
        let shown = Shown { title: "Gift".into(), description: String::new(), price, categories: vec![], media: None };
        let variants = vec![Variant { sku: sku(), title: "Red".into() }];
        let draft = Draft { product, seller: AccountId(Uuid::nil()), shown, variants };
        let mut commands = vec![ProductCommand::Draft(Box::new(draft))];
        for edit in [Edit::Propose, Edit::Approve] {
            commands.push(ProductCommand::Edit { by: "ana".into(), at: platform::clock::now(), edit });
        }
        for command in commands {
            self.sender.products.execute(&product.to_string(), command, by_ana()).await.unwrap();
        }
        let receive = StockCommand::Receive { product, sku: sku(), quantity: pieces };
        self.sender.stock.execute(&format!("{product}/RED"), receive, by_ana()).await.unwrap();
        product
    }

    /// Orders so many pieces of it.
    pub(super) async fn place(&self, product: ProductId, quantity: i64) -> OrderId {
        self.place_paying(product, quantity, "pm_sim_ok").await
    }

    pub(super) async fn place_paying(&self, product: ProductId, quantity: i64, method: &str) -> OrderId {
        let (order, title) = (OrderId::new(), "Gift, Red".to_owned());
        let (_, offered) = self.sender.products.load(&product.to_string()).await.unwrap();
        let unit_price = offered.offer(&sku()).unwrap().price;
        let placing = Placing {
            order,
            customer: CUSTOMER,
            seller: AccountId(Uuid::nil()),
            lines: vec![OrderLine { product, sku: sku(), title, quantity, unit_price }],
            payment_method: method.to_owned(),
            at: platform::clock::now(),
        };
        self.ask(order, OrderCommand::Place(Box::new(placing))).await;
        order
    }

    pub(super) async fn ask(&self, order: OrderId, command: OrderCommand) {
        self.sender.orders.execute(&order.to_string(), command, by_ana()).await.unwrap();
    }

    pub(super) async fn stage(&self, order: OrderId) -> Option<Stage> {
        let (_, loaded): (_, Order) = self.sender.orders.load(&order.to_string()).await.unwrap();
        loaded.live().map(|live| live.stage)
    }

    pub(super) async fn until_stage(&self, order: OrderId, stage: Stage) {
        until(&format!("{order} is {stage:?}"), ETA_MAX, async || self.stage(order).await == Some(stage)).await;
    }

    /// On hand, and reserved of it.
    pub(super) async fn stock(&self, product: ProductId) -> (i64, i64) {
        let (_, stock) = self.sender.stock.load(&format!("{product}/RED")).await.unwrap();
        stock.pieces().map(|pieces| (pieces.on_hand, pieces.reserved)).unwrap_or_default()
    }

    pub(super) async fn count(&self, what: &str) -> i64 {
        sqlx::query_scalar(&format!("select count(*) from {what}")).fetch_one(&self.views).await.unwrap()
    }

    /// Raises the term of a policy, as another process does that begins to lead.
    pub(super) async fn another_led(&self, policy: &str) {
        let sql = "update react.leaders set term = term + 1 where policy = $1";
        let raised = sqlx::query(sql).bind(policy).execute(&self.views).await.unwrap();
        assert_eq!(raised.rows_affected(), 1, "somebody leads");
    }

    pub(super) async fn term(&self, policy: &str) -> i64 {
        let sql = "select term from react.leaders where policy = $1";
        sqlx::query_scalar(sql).bind(policy).fetch_one(&self.views).await.unwrap()
    }

    pub(super) async fn until_count(&self, what: &str, count: i64) {
        until(&format!("{count} of {what}"), ETA_MAX, async || self.count(what).await == count).await;
    }
}

impl Running {
    /// Nothing gets to know of it, as when the process is killed.
    pub(super) async fn kill(self) {
        self.task.abort();
        let _aborted = self.task.await;
    }

    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }

    pub(super) async fn until_told(&self, what: &str) {
        until(what, ETA_MAX, async || self.readiness.report().contains(what)).await;
    }
}

pub(super) fn sku() -> Sku {
    "RED".parse().unwrap()
}

pub(super) fn by_ana() -> Ask {
    Ask::new(Cause::new("ana", Uuid::new_v4()))
}
