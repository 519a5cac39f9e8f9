//! `read.sales_summary`: everything that was sold, in one row per currency.

use std::collections::BTreeSet;

use envelope::Recorded;
use event_schemas::{Context, Currency, Event};
use uuid::Uuid;

use super::sales;
use super::sums::{ADDED, Columns, Sums};
use crate::projection::{Failed, Projection, View};
use crate::table::Table;

/// Sums over all orders. Who has bought before is its own memory, so that customers are counted once.
pub struct SalesSummary;

impl Projection for SalesSummary {
    type Data = Event;
    const NAME: &'static str = "sales_summary";
    const VERSION: i32 = 1;
    const CONTEXTS: &'static [Context] = &[Context::Orders];
    const TABLES: &'static [Table] = &[
        Table {
            suffix: "",
            columns: "currency text, orders bigint not null, customers bigint not null, units bigint not null,
                      revenue_minor bigint not null, version bigint not null",
            key: &["currency"],
            indexes: &[],
        },
        Table {
            suffix: "customers",
            columns: "currency text, customer uuid",
            key: &["currency", "customer"],
            indexes: &[],
        },
    ];

    async fn apply(view: &mut View<'_>, batch: &[Recorded<Event>]) -> Result<(), Failed> {
        let mut sums: Sums<Currency> = Sums::new();
        // Sorted for the same reason as the sums.
        let mut buyers: BTreeSet<(Currency, Uuid)> = BTreeSet::new();
        for sale in sales(batch) {
            sums.add(sale.total.currency, sale.units, &sale.total);
            buyers.insert((sale.total.currency, sale.customer));
        }
        if sums.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "with fresh as (
                 insert into {buyers} (currency, customer) select * from unnest($1::text[], $2::uuid[])
                 on conflict do nothing returning currency)
             insert into {sums} as t (currency, orders, customers, units, revenue_minor, version)
             select d.currency, d.orders, (select count(*) from fresh f where f.currency = d.currency),
                    d.units, d.revenue_minor, d.events
               from unnest($3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
                    as d(currency, orders, units, revenue_minor, events)
             on conflict (currency) do {add}",
            add = if platform::faults::planted("conflict-ignored") {
                "nothing".to_owned()
            } else {
                format!("update set customers = t.customers + excluded.customers, {ADDED}")
            },
            buyers = view.own("customers"),
            sums = view.table(),
        );
        let Columns { orders, units, revenue_minor, events } = sums.columns();
        sqlx::query(&sql)
            .bind(buyers.iter().map(|(currency, _)| currency.code()).collect::<Vec<_>>())
            .bind(buyers.iter().map(|(_, customer)| *customer).collect::<Vec<_>>())
            .bind(sums.rows().map(Currency::code).collect::<Vec<_>>())
            .bind(orders)
            .bind(units)
            .bind(revenue_minor)
            .bind(events)
            .execute(&mut *view.db)
            .await?;
        Ok(())
    }
}
