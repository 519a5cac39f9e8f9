//! `read.customer_orders`: what each customer ordered, newest day first.

use envelope::Recorded;
use event_schemas::orders::OrderEvent;
use event_schemas::{Context, Event};

use super::events;
use crate::projection::{Failed, Projection, View};
use crate::table::Table;

/// The orders of a customer in the order of their days; the primary key is the order in which they are listed.
pub struct CustomerOrders;

impl Projection for CustomerOrders {
    type Data = Event;
    const NAME: &'static str = "customer_orders";
    const VERSION: i32 = 1;
    const CONTEXTS: &'static [Context] = &[Context::Orders];
    const TABLES: &'static [Table] = &[Table {
        suffix: "",
        columns: "customer uuid, ordered_on date, order_id uuid, units bigint not null,
                  amount_minor bigint not null, currency text not null, version bigint not null",
        key: &["customer", "ordered_on", "order_id"],
        indexes: &[],
    }];

    async fn apply(view: &mut View<'_>, batch: &[Recorded<Event>]) -> Result<(), Failed> {
        let (mut customers, mut days, mut ids, mut units) = (vec![], vec![], vec![], vec![]);
        let (mut amounts, mut currencies, mut versions) = (vec![], vec![], vec![]);
        for (event, happened) in events(batch) {
            match happened {
                OrderEvent::OrderImported { order, customer, ordered_on, units: count, total } => {
                    customers.push(customer.0);
                    days.push(*ordered_on);
                    ids.push(order.0);
                    units.push(i64::from(*count));
                    amounts.push(total.amount_minor);
                    currencies.push(total.currency.code());
                    versions.push(event.sequence);
                }
            }
        }
        let sql = format!(
            "insert into {} (customer, ordered_on, order_id, units, amount_minor, currency, version)
             select * from unnest($1::uuid[], $2::date[], $3::uuid[], $4::bigint[], $5::bigint[], $6::text[],
                                  $7::bigint[])",
            view.table()
        );
        sqlx::query(&sql)
            .bind(customers)
            .bind(days)
            .bind(ids)
            .bind(units)
            .bind(amounts)
            .bind(currencies)
            .bind(versions)
            .execute(&mut *view.db)
            .await?;
        Ok(())
    }
}
