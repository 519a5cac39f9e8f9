//! `read.stock`: how many pieces of each variant there are, and how many of them are kept for somebody.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use envelope::Recorded;
use event_schemas::products::StockEvent;
use event_schemas::{Context, Event};
use uuid::Uuid;

use crate::projection::{Failed, Projection, View};
use crate::table::Table;

/// The stock of every variant of which anything was ever received.
pub struct Stock;

/// What a batch brings to one row.
#[derive(Default)]
struct Delta {
    on_hand: i64,
    reserved: i64,
    version: i64,
    changed_at: DateTime<Utc>,
}

impl Projection for Stock {
    type Data = Event;
    const NAME: &'static str = "stock";
    const VERSION: i32 = 1;
    const CONTEXTS: &'static [Context] = &[Context::Products];
    const TABLES: &'static [Table] = &[Table {
        suffix: "",
        columns: "product uuid, sku text, on_hand bigint not null, reserved bigint not null,
                  version bigint not null, changed_at timestamptz not null",
        key: &["product", "sku"],
        indexes: &[],
    }];

    async fn apply(view: &mut View<'_>, batch: &[Recorded<Event>]) -> Result<(), Failed> {
        let mut deltas: BTreeMap<(Uuid, &str), Delta> = BTreeMap::new();
        for event in batch {
            let what = match &event.data {
                Event::Stock(what) => what,
                Event::Products(_)
                | Event::Reservation(_)
                | Event::Identity(_)
                | Event::Orders(_)
                | Event::Payments(_) => continue,
            };
            let row = deltas.entry(variant(&event.aggregate_id)?).or_default();
            row.add(what)?;
            (row.version, row.changed_at) = (event.sequence, event.recorded_at.utc());
        }
        let sql = format!(
            "insert into {} as t (product, sku, on_hand, reserved, version, changed_at)
             select * from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[])
             on conflict (product, sku) do update set
                on_hand = t.on_hand + excluded.on_hand, reserved = t.reserved + excluded.reserved,
                version = excluded.version, changed_at = excluded.changed_at",
            view.table()
        );
        sqlx::query(&sql)
            .bind(deltas.keys().map(|(product, _)| *product).collect::<Vec<_>>())
            .bind(deltas.keys().map(|(_, sku)| *sku).collect::<Vec<_>>())
            .bind(deltas.values().map(|row| row.on_hand).collect::<Vec<_>>())
            .bind(deltas.values().map(|row| row.reserved).collect::<Vec<_>>())
            .bind(deltas.values().map(|row| row.version).collect::<Vec<_>>())
            .bind(deltas.values().map(|row| row.changed_at).collect::<Vec<_>>())
            .execute(&mut *view.db)
            .await?;
        Ok(())
    }
}

/// Of which product, and which of its variants: `<product>/<sku>`.
fn variant(aggregate_id: &str) -> Result<(Uuid, &str), Failed> {
    let strange = || Failed::Event(format!("`{aggregate_id}` is not of the form <product>/<sku>"));
    let (product, sku) = aggregate_id.split_once('/').ok_or_else(strange)?;
    Ok((product.parse().map_err(Failed::event)?, sku))
}

impl Delta {
    fn add(&mut self, what: &StockEvent) -> Result<(), Failed> {
        let gone = |quantity: &i64| 0_i64.saturating_sub(*quantity);
        let (on_hand, reserved) = match what {
            StockEvent::StockReceived { quantity, .. } => (*quantity, 0),
            StockEvent::StockAdjusted { change, .. } => (*change, 0),
            StockEvent::StockReserved { quantity, .. } => (0, *quantity),
            StockEvent::StockReleased { quantity, .. } => (0, gone(quantity)),
            StockEvent::StockCommitted { quantity, .. } => (gone(quantity), gone(quantity)),
        };
        let sums = self.on_hand.checked_add(on_hand).zip(self.reserved.checked_add(reserved));
        (self.on_hand, self.reserved) = sums.ok_or_else(|| Failed::Event("more pieces than can be counted".into()))?;
        Ok(())
    }
}
