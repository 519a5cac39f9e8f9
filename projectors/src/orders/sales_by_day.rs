//! `read.sales_by_day`: what was sold on each day, per currency.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use envelope::Recorded;
use event_schemas::orders::OrderEvent;
use event_schemas::{Context, Currency, Event};

use super::events;
use crate::projection::{Failed, Projection, View};
use crate::table::Table;

/// Sums per day. Many orders feed a row, so it changes by deltas.
pub struct SalesByDay;

/// What a batch adds to one day.
#[derive(Default)]
struct Delta {
    orders: i64,
    units: i64,
    revenue_minor: i64,
    events: i64,
}

impl Projection for SalesByDay {
    type Data = Event;
    const NAME: &'static str = "sales_by_day";
    const VERSION: i32 = 1;
    const CONTEXTS: &'static [Context] = &[Context::Orders];
    const TABLES: &'static [Table] = &[Table {
        suffix: "",
        columns: "ordered_on date, currency text, orders bigint not null, units bigint not null,
                  revenue_minor bigint not null, version bigint not null",
        key: &["ordered_on", "currency"],
        indexes: &[],
    }];

    async fn apply(view: &mut View<'_>, batch: &[Recorded<Event>]) -> Result<(), Failed> {
        // Sorted, so that two processes change rows in the same order and never wait for each other in a circle.
        let mut days: BTreeMap<(NaiveDate, Currency), Delta> = BTreeMap::new();
        for (_, happened) in events(batch) {
            match happened {
                OrderEvent::OrderImported { ordered_on, units, total, .. } => {
                    let day = days.entry((*ordered_on, total.currency)).or_default();
                    day.orders += 1;
                    day.units += i64::from(*units);
                    day.revenue_minor += total.amount_minor;
                    day.events += 1;
                }
            }
        }
        let sql = format!(
            "insert into {} as t (ordered_on, currency, orders, units, revenue_minor, version)
             select * from unnest($1::date[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
             on conflict (ordered_on, currency) do update set
                 orders = t.orders + excluded.orders,
                 units = t.units + excluded.units,
                 revenue_minor = t.revenue_minor + excluded.revenue_minor,
                 version = t.version + excluded.version",
            view.table()
        );
        sqlx::query(&sql)
            .bind(days.keys().map(|(day, _)| *day).collect::<Vec<_>>())
            .bind(days.keys().map(|(_, currency)| currency.code()).collect::<Vec<_>>())
            .bind(days.values().map(|day| day.orders).collect::<Vec<_>>())
            .bind(days.values().map(|day| day.units).collect::<Vec<_>>())
            .bind(days.values().map(|day| day.revenue_minor).collect::<Vec<_>>())
            .bind(days.values().map(|day| day.events).collect::<Vec<_>>())
            .execute(&mut *view.db)
            .await?;
        Ok(())
    }
}
