//! What is shown of products and their stock, from what happened to them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use envelope::{Recorded, Timestamp};
use event_schemas::products::{ProductEvent, StockEvent, Variant};
use event_schemas::{Event, Money};
use event_store::RawPayload;
use uuid::Uuid;

use super::{Asked, Keys, Oracle, Row, cell, decoded};

/// A product that exists.
struct Product {
    seller: Uuid,
    state: &'static str,
    title: String,
    description: String,
    price: Money,
    categories: Vec<String>,
    media: Option<String>,
    variants: Vec<Variant>,
    lease: Option<(String, Timestamp)>,
    version: i64,
    drafted_at: Timestamp,
    changed_at: Timestamp,
}

/// Every product as its last events left it.
#[derive(Default)]
pub(super) struct Products(BTreeMap<Uuid, Product>);

impl Oracle for Products {
    fn take(&mut self, event: &Recorded<RawPayload>) -> anyhow::Result<()> {
        let Event::Products(happened) = decoded(event)? else { return Ok(()) };
        let (id, version, at): (Uuid, _, _) = (event.aggregate_id.parse()?, event.sequence, event.recorded_at);
        if let ProductEvent::ProductDrafted { seller, title, description, price, categories, media, variants, .. } =
            happened
        {
            let (state, lease, seller) = ("draft", None, seller.0);
            let new = Product {
                seller,
                state,
                title,
                description,
                price,
                categories,
                media,
                variants,
                lease,
                version,
                drafted_at: at,
                changed_at: at,
            };
            anyhow::ensure!(self.0.insert(id, new).is_none(), "product {id} was drafted twice");
            return Ok(());
        }
        // Where the draft was left out by hand, there is nothing to change.
        if let Some(product) = self.0.get_mut(&id) {
            product.change(happened);
            (product.version, product.changed_at) = (version, at);
        }
        Ok(())
    }

    fn rows(self: Box<Self>, _: &Keys) -> anyhow::Result<Vec<Row>> {
        let row = |(id, product): (&Uuid, &Product)| -> anyhow::Result<Row> {
            let (by, until) = product.lease.as_ref().map(|(by, until)| (by, until)).unzip();
            Ok(Row::new([
                ("product", cell(id)),
                ("seller", cell(product.seller)),
                ("state", cell(product.state)),
                ("title", cell(&product.title)),
                ("description", cell(&product.description)),
                ("amount_minor", cell(product.price.amount_minor)),
                ("currency", cell(product.price.currency)),
                ("categories", cell(serde_json::to_string(&product.categories)?)),
                ("media", product.media.as_ref().and_then(cell)),
                ("variants", cell(serde_json::to_string(&product.variants)?)),
                ("lease_by", by.and_then(cell)),
                ("lease_until", until.and_then(cell)),
                ("version", cell(product.version)),
                ("drafted_at", cell(product.drafted_at)),
                ("changed_at", cell(product.changed_at)),
            ]))
        };
        self.0.iter().map(row).collect()
    }
}

impl Product {
    fn change(&mut self, happened: ProductEvent) {
        match happened {
            ProductEvent::ProductDrafted { .. } => {}
            ProductEvent::ProductRetitled { title } => self.title = title,
            ProductEvent::ProductDescribed { description } => self.description = description,
            ProductEvent::ProductRepriced { price } => self.price = price,
            ProductEvent::ProductRecategorized { categories } => self.categories = categories,
            ProductEvent::ProductIllustrated { media } => self.media = media,
            ProductEvent::ProductProposed {} => self.state = "proposed",
            ProductEvent::ProductApproved {} | ProductEvent::ProductRelisted {} => self.state = "published",
            ProductEvent::ProductRejected { .. } => self.state = "draft",
            ProductEvent::ProductUnlisted {} => self.state = "unlisted",
            ProductEvent::ProductArchived {} => self.state = "archived",
            ProductEvent::ProductLeaseTaken { by, until } => self.lease = Some((by, until)),
            ProductEvent::ProductLeaseReleased {} => self.lease = None,
        }
    }
}

/// How many pieces there are of a variant.
#[derive(Default)]
struct Pieces {
    on_hand: i128,
    reserved: i128,
    version: i64,
    changed_at: Timestamp,
}

/// The stock of every variant.
#[derive(Default)]
pub(super) struct Stock(BTreeMap<(Uuid, String), Pieces>);

impl Oracle for Stock {
    fn take(&mut self, event: &Recorded<RawPayload>) -> anyhow::Result<()> {
        let Event::Stock(happened) = decoded(event)? else { return Ok(()) };
        let (product, sku) = event.aggregate_id.split_once('/').context("the stock of no variant")?;
        let pieces = self.0.entry((product.parse()?, sku.to_owned())).or_default();
        match happened {
            StockEvent::StockReceived { quantity, .. } => pieces.on_hand += i128::from(quantity),
            StockEvent::StockAdjusted { change, .. } => pieces.on_hand += i128::from(change),
            StockEvent::StockReserved { quantity, .. } => pieces.reserved += i128::from(quantity),
            StockEvent::StockReleased { quantity, .. } => pieces.reserved -= i128::from(quantity),
            StockEvent::StockCommitted { quantity, .. } => {
                pieces.on_hand -= i128::from(quantity);
                pieces.reserved -= i128::from(quantity);
            }
        }
        (pieces.version, pieces.changed_at) = (event.sequence, event.recorded_at);
        Ok(())
    }

    fn rows(self: Box<Self>, _: &Keys) -> anyhow::Result<Vec<Row>> {
        let row = |((product, sku), pieces): (&(Uuid, String), &Pieces)| {
            Row::new([
                ("product", cell(product)),
                ("sku", cell(sku)),
                ("on_hand", cell(pieces.on_hand)),
                ("reserved", cell(pieces.reserved)),
                ("version", cell(pieces.version)),
                ("changed_at", cell(pieces.changed_at)),
            ])
        };
        Ok(self.0.iter().map(row).collect())
    }
}

/// So many products are asked for their stock; each is a question.
const PRODUCTS_MAX: usize = 200;

/// How products are asked for.
pub(super) fn products(_: &[&Row]) -> Vec<Asked> {
    let fields = &[
        ("/product", "product"),
        ("/seller", "seller"),
        ("/state", "state"),
        ("/title", "title"),
        ("/description", "description"),
        ("/price/amount_minor", "amount_minor"),
        ("/price/currency", "currency"),
        ("/categories", "categories"),
        ("/media", "media"),
        ("/variants", "variants"),
        ("/lease/by", "lease_by"),
        ("/lease/until", "lease_until"),
        ("/version", "version"),
        ("/drafted_at", "drafted_at"),
        ("/changed_at", "changed_at"),
    ];
    vec![Asked::list("/v1/products", fields)]
}

/// How stock is asked for: of some products, spread over all.
pub(super) fn stock(rows: &[&Row]) -> Vec<Asked> {
    let fields = &[
        ("/product", "product"),
        ("/sku", "sku"),
        ("/on_hand", "on_hand"),
        ("/reserved", "reserved"),
        ("/version", "version"),
        ("/changed_at", "changed_at"),
    ];
    let products: BTreeSet<&str> = rows.iter().map(|row| row.column("product")).collect();
    let step = (products.len() / PRODUCTS_MAX).max(1);
    let one = |product: &str| Asked::list(format!("/v1/products/{product}/stock"), fields).given("product", product);
    products.into_iter().step_by(step).map(one).collect()
}
