//! A shop in process: its stores, its policies, and goods to sell.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use domain::products::{Draft, Edit, ProductCommand, Shown, StockCommand};
use envelope::{Cause, Timestamp};
use event_schemas::ids::{AccountId, ProductId};
use event_schemas::products::Variant;
use event_schemas::{Context, Currency, Money, Sku};
use event_store::keys::{KeyRing, MasterKey};
use event_store::{Ask, Store, StoreConfig};
use platform::embedded::postgres::EmbeddedPostgres;
use platform::readiness::Readiness;
use platform::settings::Secret;
use reactors::mail::{Mailer, Post};
use reactors::payments::{Simulator, SimulatorSettings};
use reactors::{Config, Sender};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::program::Place;

/// See the module.
pub(crate) struct Shop {
    server: Option<EmbeddedPostgres>,
    url: String,
    pub(crate) database: PgPool,
    pub(crate) stores: BTreeMap<Context, Store>,
    pub(crate) sender: Sender,
    mailer: Mailer,
}

/// Policies that run.
pub(crate) struct Running {
    task: JoinHandle<anyhow::Result<()>>,
    stop: CancellationToken,
}

impl Shop {
    /// Opens one in a database of this name, which must not exist yet.
    pub(crate) async fn open(place: &Place, name: &str) -> anyhow::Result<Self> {
        let (server, url) = place.postgres().await?;
        let url = create(&url, &format!("bench_{name}_{}", std::process::id())).await?;
        let mut stores = BTreeMap::new();
        for context in Context::ALL {
            let config = StoreConfig::new(context.name(), &url);
            Store::migrate(&config).await?;
            stores.insert(context, Store::open(config).await?);
        }
        let database = PgPool::connect(&url).await?;
        let readers: Vec<_> = stores.iter().map(|(context, store)| (*context, store.reader())).collect();
        reactors::migrate(&database, &readers).await?;
        Simulator::migrate(&database).await?;
        KeyRing::migrate(&url).await?;
        let keys = KeyRing::connect(database.clone(), MasterKey::random()).await?;
        let sender = handsel::aggregates::sender(&stores)?;
        // Nobody here has an account: mail is noted, and found to have no recipient.
        let accounts = handsel::aggregates::accounts(&stores[&Context::Identity]);
        let mailer = Mailer::new(accounts, keys, Post::of(None, None)?);
        Ok(Self { server, url, database, stores, sender, mailer })
    }

    /// Runs every policy.
    pub(crate) fn run(&self) -> Running {
        let stop = CancellationToken::new();
        let config = Config {
            url: Secret::new(&self.url),
            stores: self.stores.clone(),
            sender: self.sender.clone(),
            provider: Arc::new(Simulator::new(self.database.clone(), SimulatorSettings::default())),
            mailer: self.mailer.clone(),
            readiness: Readiness::new(),
        };
        Running { task: tokio::spawn(reactors::run(config, stop.clone())), stop }
    }

    /// Puts a product on sale, with so many pieces.
    pub(crate) async fn sells(&self, amount_minor: i64, pieces: i64) -> anyhow::Result<ProductId> {
        let product = ProductId::new();
        let price = Money { amount_minor, currency: Currency::USD };
        let shown = Shown { title: "Mug".into(), description: String::new(), price, categories: vec![], media: None };
        let variants = vec![Variant { sku: sku()?, title: "Red".into() }];
        let draft = Draft { product, seller: AccountId(Uuid::nil()), shown, variants };
        let at = Timestamp::from_micros(0).context("the time exists")?;
        let edit = |edit| ProductCommand::Edit { by: "bench".into(), at, edit };
        let each = [ProductCommand::Draft(Box::new(draft)), edit(Edit::Propose), edit(Edit::Approve)];
        for command in each {
            let done = self.sender.products.execute(&product.to_string(), command, ask()).await;
            done.map_err(|refused| anyhow::anyhow!("refused: {refused:?}"))?;
        }
        let receive = StockCommand::Receive { product, sku: sku()?, quantity: pieces };
        let done = self.sender.stock.execute(&format!("{product}/{}", sku()?), receive, ask()).await;
        done.map_err(|refused| anyhow::anyhow!("refused: {refused:?}"))?;
        Ok(product)
    }

    pub(crate) async fn count(&self, what: &str) -> anyhow::Result<i64> {
        let sql = format!("select count(*) from {what}");
        Ok(sqlx::query_scalar(&sql).fetch_one(&self.database).await?)
    }

    pub(crate) async fn close(self) -> anyhow::Result<()> {
        self.database.close().await;
        drop((self.sender, self.mailer, self.stores));
        match self.server {
            Some(server) => Ok(server.stop().await?),
            None => Ok(()),
        }
    }
}

impl Running {
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.task.await?
    }
}

/// What is sold everywhere here.
pub(crate) fn sku() -> anyhow::Result<Sku> {
    Ok("RED".parse()?)
}

/// Nobody in particular asks.
pub(crate) fn ask() -> Ask {
    Ask::new(Cause::new("bench", Uuid::nil()))
}

/// Makes a database beside the one of this URL, and gives its URL.
pub(crate) async fn create(url: &str, name: &str) -> anyhow::Result<String> {
    let server = PgPool::connect(url).await?;
    sqlx::query(&format!("create database {name}")).execute(&server).await?;
    server.close().await;
    let (before, options) = url.split_once('?').map_or((url, ""), |(before, options)| (before, options));
    let host = before.rsplit_once('/').map_or(before, |(host, _)| host);
    Ok(if options.is_empty() { format!("{host}/{name}") } else { format!("{host}/{name}?{options}") })
}
