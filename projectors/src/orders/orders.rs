//! `read.orders`: one row for each order.

use envelope::Recorded;
use event_schemas::orders::OrderEvent;
use event_schemas::{Context, Event};

use super::events;
use crate::projection::{Failed, Projection, View};
use crate::table::Table;

/// Every order by its id.
pub struct Orders;

impl Projection for Orders {
    type Data = Event;
    const NAME: &'static str = "orders";
    const VERSION: i32 = 1;
    const CONTEXTS: &'static [Context] = &[Context::Orders];
    const TABLES: &'static [Table] = &[Table {
        suffix: "",
        columns: "order_id uuid, customer uuid not null, ordered_on date not null, units bigint not null,
                  amount_minor bigint not null, currency text not null,
                  version bigint not null, recorded_at timestamptz not null",
        key: &["order_id"],
        indexes: &["(customer, order_id)"],
    }];

    async fn apply(view: &mut View<'_>, batch: &[Recorded<Event>]) -> Result<(), Failed> {
        let (mut ids, mut customers, mut days, mut units) = (vec![], vec![], vec![], vec![]);
        let (mut amounts, mut currencies, mut versions, mut times) = (vec![], vec![], vec![], vec![]);
        for (event, happened) in events(batch) {
            match happened {
                OrderEvent::OrderImported { order, customer, ordered_on, units: count, total } => {
                    ids.push(order.0);
                    customers.push(customer.0);
                    days.push(*ordered_on);
                    units.push(i64::from(*count));
                    amounts.push(total.amount_minor);
                    currencies.push(total.currency.code());
                    versions.push(event.sequence);
                    times.push(event.recorded_at.utc());
                }
            }
        }
        let sql = format!(
            "insert into {} (order_id, customer, ordered_on, units, amount_minor, currency, version, recorded_at)
             select * from unnest($1::uuid[], $2::uuid[], $3::date[], $4::bigint[], $5::bigint[], $6::text[],
                                  $7::bigint[], $8::timestamptz[])",
            view.table()
        );
        sqlx::query(&sql)
            .bind(ids)
            .bind(customers)
            .bind(days)
            .bind(units)
            .bind(amounts)
            .bind(currencies)
            .bind(versions)
            .bind(times)
            .execute(&mut *view.db)
            .await?;
        Ok(())
    }
}
