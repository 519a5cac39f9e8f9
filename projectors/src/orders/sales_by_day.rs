//! `read.sales_by_day`: what was sold on each day, per currency.

use chrono::NaiveDate;
use envelope::Recorded;
use event_schemas::{Context, Currency, Event};

use super::sales;
use super::sums::{ADDED, Columns, Sums};
use crate::projection::{Failed, Projection, View};
use crate::table::Table;

/// Sums per day. Many orders feed a row, so it changes by deltas.
pub struct SalesByDay;

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
        let mut sums: Sums<(NaiveDate, Currency)> = Sums::new();
        for sale in sales(batch) {
            sums.add((sale.ordered_on, sale.total.currency), sale.units, &sale.total);
        }
        if sums.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "insert into {} as t (ordered_on, currency, orders, units, revenue_minor, version)
             select * from unnest($1::date[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
             on conflict (ordered_on, currency) do update set {ADDED}",
            view.table()
        );
        let Columns { orders, units, revenue_minor, events } = sums.columns();
        sqlx::query(&sql)
            .bind(sums.rows().map(|(day, _)| *day).collect::<Vec<_>>())
            .bind(sums.rows().map(|(_, currency)| currency.code()).collect::<Vec<_>>())
            .bind(orders)
            .bind(units)
            .bind(revenue_minor)
            .bind(events)
            .execute(&mut *view.db)
            .await?;
        Ok(())
    }
}
