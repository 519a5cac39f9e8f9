//! `read.orders`: one row for each order.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use envelope::{Recorded, Timestamp};
use event_schemas::ids::{ProductId, ShipmentId};
use event_schemas::orders::{CancellationReason, OrderEvent, OrderLine, ShippedLine};
use event_schemas::{Context, Event, Money, Sku};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{events, state_after};
use crate::projection::{Failed, Projection, View};
use crate::table::Table;

/// Every order by its id.
pub struct Orders;

/// A row as the table has it.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    order_id: Uuid,
    customer: Uuid,
    seller: Option<Uuid>,
    state: String,
    reason: Option<CancellationReason>,
    ordered_on: NaiveDate,
    units: i64,
    amount_minor: i64,
    currency: String,
    lines: Option<Vec<Line>>,
    shipments: Option<Vec<Shipment>>,
    version: i64,
    recorded_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
}

/// What was ordered, and how much of it was sent.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    product: ProductId,
    sku: Sku,
    title: String,
    quantity: i64,
    shipped: i64,
    unit_price: Money,
}

/// What was sent.
#[derive(Debug, Serialize, Deserialize)]
struct Shipment {
    shipment: ShipmentId,
    lines: Vec<ShippedLine>,
    tracking: Option<String>,
    shipped_at: Timestamp,
}

impl Projection for Orders {
    type Data = Event;
    const NAME: &'static str = "orders";
    const VERSION: i32 = 2;
    const CONTEXTS: &'static [Context] = &[Context::Orders];
    const TABLES: &'static [Table] = &[Table {
        suffix: "",
        columns: "order_id uuid, customer uuid not null, seller uuid, state text not null, reason text,
                  ordered_on date not null, units bigint not null, amount_minor bigint not null,
                  currency text not null, lines json, shipments json,
                  version bigint not null, recorded_at timestamptz not null, changed_at timestamptz not null",
        key: &["order_id"],
        indexes: &["(customer, order_id)"],
    }];

    async fn apply(view: &mut View<'_>, batch: &[Recorded<Event>]) -> Result<(), Failed> {
        let mut new: BTreeMap<Uuid, Row> = BTreeMap::new();
        let mut later: Vec<(Uuid, &Recorded<Event>, &OrderEvent)> = Vec::new();
        for (event, happened) in events(batch) {
            let order: Uuid = event.aggregate_id.parse().map_err(Failed::event)?;
            if let Some(row) = begun(order, event, happened) {
                new.insert(order, row);
            } else if let Some(row) = new.get_mut(&order) {
                row.take(event, happened);
            } else {
                later.push((order, event, happened));
            }
        }
        if !new.is_empty() {
            insert(view, new.into_values().collect()).await?;
        }
        if later.is_empty() {
            return Ok(());
        }
        let mut rows = load(view, later.iter().map(|(order, ..)| *order).collect()).await?;
        for (order, event, happened) in later {
            // Where its beginning was skipped by hand, there is nothing to change.
            if let Some(row) = rows.get_mut(&order) {
                row.take(event, happened);
            }
        }
        update(view, rows.into_values().collect()).await
    }
}

/// The row with which an order begins.
fn begun(order_id: Uuid, event: &Recorded<Event>, happened: &OrderEvent) -> Option<Row> {
    let (version, at) = (event.sequence, event.recorded_at.utc());
    match happened {
        OrderEvent::OrderImported { customer, ordered_on, units, total, .. } => Some(Row {
            order_id,
            customer: customer.0,
            seller: None,
            state: state_after(happened).to_owned(),
            reason: None,
            ordered_on: *ordered_on,
            units: i64::from(*units),
            amount_minor: total.amount_minor,
            currency: total.currency.to_string(),
            lines: None,
            shipments: None,
            version,
            recorded_at: at,
            changed_at: at,
        }),
        OrderEvent::OrderPlaced { customer, seller, ordered_on, lines, total, .. } => Some(Row {
            order_id,
            customer: customer.0,
            seller: Some(seller.0),
            state: state_after(happened).to_owned(),
            reason: None,
            ordered_on: *ordered_on,
            units: lines.iter().fold(0, |sum: i64, line| sum.saturating_add(line.quantity)),
            amount_minor: total.amount_minor,
            currency: total.currency.to_string(),
            lines: Some(lines.iter().map(Line::of).collect()),
            shipments: Some(vec![]),
            version,
            recorded_at: at,
            changed_at: at,
        }),
        OrderEvent::OrderReserved { .. }
        | OrderEvent::OrderConfirmed { .. }
        | OrderEvent::OrderShipped { .. }
        | OrderEvent::OrderDelivered { .. }
        | OrderEvent::OrderCompleted { .. }
        | OrderEvent::OrderCancelled { .. } => None,
    }
}

impl Line {
    fn of(line: &OrderLine) -> Self {
        let OrderLine { product, sku, title, quantity, unit_price } = line.clone();
        Self { product, sku, title, quantity, shipped: 0, unit_price }
    }
}

impl Row {
    fn take(&mut self, event: &Recorded<Event>, happened: &OrderEvent) {
        match happened {
            OrderEvent::OrderImported { .. }
            | OrderEvent::OrderPlaced { .. }
            | OrderEvent::OrderReserved { .. }
            | OrderEvent::OrderConfirmed { .. }
            | OrderEvent::OrderDelivered { .. }
            | OrderEvent::OrderCompleted { .. } => {}
            OrderEvent::OrderShipped { shipment, lines, tracking, .. } => {
                for sent in lines {
                    let known = self.lines.iter_mut().flatten();
                    let of = |line: &&mut Line| (line.product, &line.sku) == (sent.product, &sent.sku);
                    if let Some(line) = known.into_iter().find(of) {
                        line.shipped = line.shipped.saturating_add(sent.quantity);
                    }
                }
                let (lines, tracking, shipped_at) = (lines.clone(), tracking.clone(), event.recorded_at);
                let shipment = Shipment { shipment: *shipment, lines, tracking, shipped_at };
                self.shipments.get_or_insert_default().push(shipment);
            }
            OrderEvent::OrderCancelled { reason, .. } => self.reason = Some(*reason),
        }
        state_after(happened).clone_into(&mut self.state);
        (self.version, self.changed_at) = (event.sequence, event.recorded_at.utc());
    }
}

async fn insert(view: &mut View<'_>, rows: Vec<Row>) -> Result<(), Failed> {
    let sql = format!(
        "insert into {} (order_id, customer, seller, state, reason, ordered_on, units, amount_minor, currency, lines,
                         shipments, version, recorded_at, changed_at)
         select order_id, customer, seller, state, reason, ordered_on, units, amount_minor, currency, lines::json,
                shipments::json, version, recorded_at, changed_at
           from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::date[], $7::bigint[],
                       $8::bigint[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::timestamptz[],
                       $14::timestamptz[])
                as n(order_id, customer, seller, state, reason, ordered_on, units, amount_minor, currency, lines,
                     shipments, version, recorded_at, changed_at)",
        view.table()
    );
    let reason = |row: &Row| row.reason.as_ref().and_then(|reason| serde_json::to_value(reason).ok());
    let reason = |row: &Row| reason(row).and_then(|reason| reason.as_str().map(str::to_owned));
    sqlx::query(&sql)
        .bind(rows.iter().map(|row| row.order_id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.customer).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.seller).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.state.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(reason).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.ordered_on).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.units).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.amount_minor).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.currency.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| json(row.lines.as_ref())).collect::<Result<Vec<_>, _>>()?)
        .bind(rows.iter().map(|row| json(row.shipments.as_ref())).collect::<Result<Vec<_>, _>>()?)
        .bind(rows.iter().map(|row| row.version).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.recorded_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.changed_at).collect::<Vec<_>>())
        .execute(&mut *view.db)
        .await?;
    Ok(())
}

fn json(value: Option<&impl Serialize>) -> Result<Option<String>, Failed> {
    value.map(serde_json::to_string).transpose().map_err(Failed::event)
}

async fn load(view: &mut View<'_>, orders: Vec<Uuid>) -> Result<BTreeMap<Uuid, Row>, Failed> {
    let sql = format!("select to_json(t)::text from {} as t where order_id = any($1)", view.table());
    let texts: Vec<String> = sqlx::query_scalar(&sql).bind(orders).fetch_all(&mut *view.db).await?;
    let read = |text: String| serde_json::from_str::<Row>(&text).map(|row| (row.order_id, row));
    texts.into_iter().map(read).collect::<Result<_, _>>().map_err(Failed::event)
}

async fn update(view: &mut View<'_>, rows: Vec<Row>) -> Result<(), Failed> {
    let table = view.table();
    let sql = format!(
        "update {table} as t
            set (state, reason, lines, shipments, version, changed_at) =
                (n.state, n.reason, n.lines, n.shipments, n.version, n.changed_at)
           from json_populate_recordset(null::{table}, $1::json) as n
          where t.order_id = n.order_id"
    );
    let rows = serde_json::to_string(&rows).map_err(Failed::event)?;
    sqlx::query(&sql).bind(rows).execute(&mut *view.db).await?;
    Ok(())
}
