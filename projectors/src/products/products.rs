//! `read.products`: one row for each product, as it is shown now.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use envelope::Recorded;
use event_schemas::products::{ProductEvent, Variant};
use event_schemas::{Context, Event};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::projection::{Failed, Projection, View};
use crate::table::Table;

/// Every product by its id, in whatever state.
pub struct Products;

/// A row as the table has it: read as JSON, changed, and written as JSON.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    product: Uuid,
    seller: Uuid,
    state: String,
    title: String,
    description: String,
    amount_minor: i64,
    currency: String,
    categories: Vec<String>,
    media: Option<String>,
    variants: Vec<Variant>,
    lease_by: Option<String>,
    lease_until: Option<DateTime<Utc>>,
    version: i64,
    drafted_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
}

impl Projection for Products {
    type Data = Event;
    const NAME: &'static str = "products";
    const VERSION: i32 = 1;
    const CONTEXTS: &'static [Context] = &[Context::Products];
    const TABLES: &'static [Table] = &[Table {
        suffix: "",
        columns: "product uuid, seller uuid not null, state text not null, title text not null,
                  description text not null, amount_minor bigint not null, currency text not null,
                  categories text[] not null, media text, variants json not null,
                  lease_by text, lease_until timestamptz,
                  version bigint not null, drafted_at timestamptz not null, changed_at timestamptz not null",
        key: &["product"],
        indexes: &["(seller, product)", "(state, product)", "using gin (categories)"],
    }];

    async fn apply(view: &mut View<'_>, batch: &[Recorded<Event>]) -> Result<(), Failed> {
        let mut happened: Vec<(Uuid, &Recorded<Event>, &ProductEvent)> = Vec::new();
        for event in batch {
            match &event.data {
                Event::Products(what) => {
                    happened.push((event.aggregate_id.parse().map_err(Failed::event)?, event, what));
                }
                Event::Reservation(_)
                | Event::Stock(_)
                | Event::Identity(_)
                | Event::Orders(_)
                | Event::Payments(_) => {}
            }
        }
        if happened.is_empty() {
            return Ok(());
        }
        let mut rows = load(view, happened.iter().map(|(product, ..)| *product).collect()).await?;
        for (product, event, what) in happened {
            if let Some(row) = drafted(product, event, what) {
                rows.insert(product, row);
            } else if let Some(row) = rows.get_mut(&product) {
                // Where the draft was skipped by hand, there is nothing to change.
                row.take(event, what);
            }
        }
        save(view, rows.into_values().collect()).await
    }
}

/// The row that a product begins with.
fn drafted(product: Uuid, event: &Recorded<Event>, what: &ProductEvent) -> Option<Row> {
    let ProductEvent::ProductDrafted { seller, title, description, price, categories, media, variants, .. } = what
    else {
        return None;
    };
    let at = event.recorded_at.utc();
    Some(Row {
        product,
        seller: seller.0,
        state: "draft".to_owned(),
        title: title.clone(),
        description: description.clone(),
        amount_minor: price.amount_minor,
        currency: price.currency.to_string(),
        categories: categories.clone(),
        media: media.clone(),
        variants: variants.clone(),
        lease_by: None,
        lease_until: None,
        version: event.sequence,
        drafted_at: at,
        changed_at: at,
    })
}

impl Row {
    fn take(&mut self, event: &Recorded<Event>, what: &ProductEvent) {
        match what {
            ProductEvent::ProductDrafted { .. } => {}
            ProductEvent::ProductRetitled { title } => self.title.clone_from(title),
            ProductEvent::ProductDescribed { description } => self.description.clone_from(description),
            ProductEvent::ProductRepriced { price } => {
                (self.amount_minor, self.currency) = (price.amount_minor, price.currency.to_string());
            }
            ProductEvent::ProductRecategorized { categories } => self.categories.clone_from(categories),
            ProductEvent::ProductIllustrated { media } => self.media.clone_from(media),
            ProductEvent::ProductProposed {} => "proposed".clone_into(&mut self.state),
            ProductEvent::ProductApproved {} | ProductEvent::ProductRelisted {} => {
                "published".clone_into(&mut self.state);
            }
            ProductEvent::ProductRejected { .. } => "draft".clone_into(&mut self.state),
            ProductEvent::ProductUnlisted {} => "unlisted".clone_into(&mut self.state),
            ProductEvent::ProductArchived {} => "archived".clone_into(&mut self.state),
            ProductEvent::ProductLeaseTaken { by, until } => {
                (self.lease_by, self.lease_until) = (Some(by.clone()), Some(until.utc()));
            }
            ProductEvent::ProductLeaseReleased {} => (self.lease_by, self.lease_until) = (None, None),
        }
        (self.version, self.changed_at) = (event.sequence, event.recorded_at.utc());
    }
}

/// The rows that are there of these products.
async fn load(view: &mut View<'_>, products: Vec<Uuid>) -> Result<BTreeMap<Uuid, Row>, Failed> {
    let sql = format!("select to_json(t)::text from {} as t where product = any($1)", view.table());
    let texts: Vec<String> = sqlx::query_scalar(&sql).bind(products).fetch_all(&mut *view.db).await?;
    let read = |text: String| serde_json::from_str::<Row>(&text).map(|row| (row.product, row));
    texts.into_iter().map(read).collect::<Result<_, _>>().map_err(Failed::event)
}

async fn save(view: &mut View<'_>, rows: Vec<Row>) -> Result<(), Failed> {
    let table = view.table();
    let sql = format!(
        "insert into {table} as t select * from json_populate_recordset(null::{table}, $1::json)
         on conflict (product) do update set
            (seller, state, title, description, amount_minor, currency, categories, media, variants, lease_by,
             lease_until, version, drafted_at, changed_at) =
            (excluded.seller, excluded.state, excluded.title, excluded.description, excluded.amount_minor,
             excluded.currency, excluded.categories, excluded.media, excluded.variants, excluded.lease_by,
             excluded.lease_until, excluded.version, excluded.drafted_at, excluded.changed_at)"
    );
    let rows = serde_json::to_string(&rows).map_err(Failed::event)?;
    sqlx::query(&sql).bind(rows).execute(&mut *view.db).await?;
    Ok(())
}
