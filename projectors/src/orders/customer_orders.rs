//! `read.customer_orders`: what each customer ordered, newest day first.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use envelope::Recorded;
use event_schemas::orders::OrderEvent;
use event_schemas::{Context, Event, Money};
use uuid::Uuid;

use super::{events, state_after};
use crate::projection::{Failed, Projection, View};
use crate::table::Table;

/// The orders of a customer in the order of their days; the primary key is the order in which they are listed.
pub struct CustomerOrders;

/// A row as it is inserted.
struct Row {
    customer: Uuid,
    ordered_on: NaiveDate,
    units: i64,
    total: Money,
    change: Change,
}

/// What later events change.
#[derive(Clone, Copy)]
struct Change {
    state: &'static str,
    version: i64,
}

impl Projection for CustomerOrders {
    type Data = Event;
    const NAME: &'static str = "customer_orders";
    const VERSION: i32 = 2;
    const CONTEXTS: &'static [Context] = &[Context::Orders];
    const TABLES: &'static [Table] = &[Table {
        suffix: "",
        columns: "customer uuid, ordered_on date, order_id uuid, state text not null, units bigint not null,
                  amount_minor bigint not null, currency text not null, version bigint not null",
        key: &["customer", "ordered_on", "order_id"],
        indexes: &["(order_id)"],
    }];

    async fn apply(view: &mut View<'_>, batch: &[Recorded<Event>]) -> Result<(), Failed> {
        let (mut new, mut later): (BTreeMap<Uuid, Row>, BTreeMap<Uuid, Change>) = Default::default();
        for (event, happened) in events(batch) {
            let order: Uuid = event.aggregate_id.parse().map_err(Failed::event)?;
            let change = Change { state: state_after(happened), version: event.sequence };
            if let Some(row) = begun(happened, change) {
                new.insert(order, row);
            } else if let Some(row) = new.get_mut(&order) {
                row.change = change;
            } else {
                later.insert(order, change);
            }
        }
        if !new.is_empty() {
            insert(view, &new).await?;
        }
        if later.is_empty() { Ok(()) } else { update(view, &later).await }
    }
}

/// The row with which an order begins.
fn begun(happened: &OrderEvent, change: Change) -> Option<Row> {
    let (customer, ordered_on, units, total) = match happened {
        OrderEvent::OrderImported { customer, ordered_on, units, total, .. } => {
            (customer, ordered_on, i64::from(*units), total)
        }
        OrderEvent::OrderPlaced { customer, ordered_on, lines, total, .. } => {
            let units = lines.iter().fold(0, |sum: i64, line| sum.saturating_add(line.quantity));
            (customer, ordered_on, units, total)
        }
        OrderEvent::OrderReserved { .. }
        | OrderEvent::OrderConfirmed { .. }
        | OrderEvent::OrderShipped { .. }
        | OrderEvent::OrderDelivered { .. }
        | OrderEvent::OrderCompleted { .. }
        | OrderEvent::OrderCancelled { .. } => return None,
    };
    Some(Row { customer: customer.0, ordered_on: *ordered_on, units, total: *total, change })
}

async fn insert(view: &mut View<'_>, new: &BTreeMap<Uuid, Row>) -> Result<(), Failed> {
    let sql = format!(
        "insert into {} (customer, ordered_on, order_id, state, units, amount_minor, currency, version)
         select * from unnest($1::uuid[], $2::date[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::text[],
                              $8::bigint[])",
        view.table()
    );
    sqlx::query(&sql)
        .bind(new.values().map(|row| row.customer).collect::<Vec<_>>())
        .bind(new.values().map(|row| row.ordered_on).collect::<Vec<_>>())
        .bind(new.keys().copied().collect::<Vec<_>>())
        .bind(new.values().map(|row| row.change.state).collect::<Vec<_>>())
        .bind(new.values().map(|row| row.units).collect::<Vec<_>>())
        .bind(new.values().map(|row| row.total.amount_minor).collect::<Vec<_>>())
        .bind(new.values().map(|row| row.total.currency.code()).collect::<Vec<_>>())
        .bind(new.values().map(|row| row.change.version).collect::<Vec<_>>())
        .execute(&mut *view.db)
        .await?;
    Ok(())
}

async fn update(view: &mut View<'_>, later: &BTreeMap<Uuid, Change>) -> Result<(), Failed> {
    let sql = format!(
        "update {} as t set state = n.state, version = n.version
           from unnest($1::uuid[], $2::text[], $3::bigint[]) as n(order_id, state, version)
          where t.order_id = n.order_id",
        view.table()
    );
    sqlx::query(&sql)
        .bind(later.keys().copied().collect::<Vec<_>>())
        .bind(later.values().map(|change| change.state).collect::<Vec<_>>())
        .bind(later.values().map(|change| change.version).collect::<Vec<_>>())
        .execute(&mut *view.db)
        .await?;
    Ok(())
}
