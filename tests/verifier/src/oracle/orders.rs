//! What is shown of orders, from what happened to them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use envelope::{Recorded, Timestamp};
use event_schemas::orders::OrderEvent;
use event_schemas::{Currency, Event, Money};
use event_store::RawPayload;
use uuid::Uuid;

use super::{Asked, Keys, Oracle, Row, cell, decoded};

/// An order that exists.
struct Order {
    customer: Uuid,
    ordered_on: NaiveDate,
    units: u32,
    total: Money,
    version: i64,
    recorded_at: Timestamp,
}

/// Everything that was ordered.
#[derive(Default)]
struct Book(BTreeMap<Uuid, Order>);

impl Book {
    fn take(&mut self, event: &Recorded<RawPayload>) -> anyhow::Result<()> {
        let Event::Orders(happened) = decoded(event)? else { return Ok(()) };
        match happened {
            OrderEvent::OrderImported { order, customer, ordered_on, units, total } => {
                let (version, recorded_at) = (event.sequence, event.recorded_at);
                let new = Order { customer: customer.0, ordered_on, units, total, version, recorded_at };
                anyhow::ensure!(self.0.insert(order.0, new).is_none(), "order {order} was imported twice");
            }
        }
        Ok(())
    }
}

/// Every order.
#[derive(Default)]
pub(super) struct Orders(Book);

impl Oracle for Orders {
    fn take(&mut self, event: &Recorded<RawPayload>) -> anyhow::Result<()> {
        self.0.take(event)
    }

    fn rows(self: Box<Self>, _: &Keys) -> anyhow::Result<Vec<Row>> {
        let row = |(id, order): (&Uuid, &Order)| {
            Row::new([
                ("order_id", cell(id)),
                ("customer", cell(order.customer)),
                ("ordered_on", cell(order.ordered_on)),
                ("units", cell(order.units)),
                ("amount_minor", cell(order.total.amount_minor)),
                ("currency", cell(order.total.currency)),
                ("version", cell(order.version)),
                ("recorded_at", cell(order.recorded_at)),
            ])
        };
        Ok(self.0.0.iter().map(row).collect())
    }
}

/// Every order under its customer.
#[derive(Default)]
pub(super) struct CustomerOrders(Book);

impl Oracle for CustomerOrders {
    fn take(&mut self, event: &Recorded<RawPayload>) -> anyhow::Result<()> {
        self.0.take(event)
    }

    fn rows(self: Box<Self>, _: &Keys) -> anyhow::Result<Vec<Row>> {
        let row = |(id, order): (&Uuid, &Order)| {
            Row::new([
                ("customer", cell(order.customer)),
                ("ordered_on", cell(order.ordered_on)),
                ("order_id", cell(id)),
                ("units", cell(order.units)),
                ("amount_minor", cell(order.total.amount_minor)),
                ("currency", cell(order.total.currency)),
                ("version", cell(order.version)),
            ])
        };
        Ok(self.0.0.iter().map(row).collect())
    }
}

/// What was sold of something.
#[derive(Default)]
struct Sold {
    orders: u64,
    customers: BTreeSet<Uuid>,
    units: u64,
    revenue_minor: i128,
}

impl Book {
    /// Adds up all orders that are one by this.
    fn sold_by<K: Ord>(&self, by: impl Fn(&Order) -> K) -> BTreeMap<K, Sold> {
        let mut sold: BTreeMap<K, Sold> = BTreeMap::new();
        for order in self.0.values() {
            let one = sold.entry(by(order)).or_default();
            one.orders += 1;
            one.customers.insert(order.customer);
            one.units += u64::from(order.units);
            one.revenue_minor += i128::from(order.total.amount_minor);
        }
        sold
    }
}

/// What was sold on each day, per currency. The version of a row is how many events it rests on.
#[derive(Default)]
pub(super) struct SalesByDay(Book);

impl Oracle for SalesByDay {
    fn take(&mut self, event: &Recorded<RawPayload>) -> anyhow::Result<()> {
        self.0.take(event)
    }

    fn rows(self: Box<Self>, _: &Keys) -> anyhow::Result<Vec<Row>> {
        let days = self.0.sold_by(|order| (order.ordered_on, order.total.currency));
        let row = |((day, currency), sold): (&(NaiveDate, Currency), &Sold)| {
            Row::new([
                ("ordered_on", cell(day)),
                ("currency", cell(currency)),
                ("orders", cell(sold.orders)),
                ("units", cell(sold.units)),
                ("revenue_minor", cell(sold.revenue_minor)),
                ("version", cell(sold.orders)),
            ])
        };
        Ok(days.iter().map(row).collect())
    }
}

/// What was sold in all, per currency; a customer counts once.
#[derive(Default)]
pub(super) struct SalesSummary(Book);

impl Oracle for SalesSummary {
    fn take(&mut self, event: &Recorded<RawPayload>) -> anyhow::Result<()> {
        self.0.take(event)
    }

    fn rows(self: Box<Self>, _: &Keys) -> anyhow::Result<Vec<Row>> {
        let currencies = self.0.sold_by(|order| order.total.currency);
        let row = |(currency, sold): (&Currency, &Sold)| {
            Row::new([
                ("currency", cell(currency)),
                ("orders", cell(sold.orders)),
                ("customers", cell(sold.customers.len())),
                ("units", cell(sold.units)),
                ("revenue_minor", cell(sold.revenue_minor)),
                ("version", cell(sold.orders)),
            ])
        };
        Ok(currencies.iter().map(row).collect())
    }
}

/// So many customers are asked for by name; each is a question.
const CUSTOMERS_MAX: usize = 200;

/// How orders are asked for.
pub(super) fn orders(_: &[&Row]) -> Vec<Asked> {
    let fields = &[
        ("/order", "order_id"),
        ("/customer", "customer"),
        ("/ordered_on", "ordered_on"),
        ("/units", "units"),
        ("/total/amount_minor", "amount_minor"),
        ("/total/currency", "currency"),
        ("/version", "version"),
        ("/recorded_at", "recorded_at"),
    ];
    vec![Asked::list("/v1/orders", fields)]
}

/// How the orders of customers are asked for: of some, spread over all.
pub(super) fn of_customers(rows: &[&Row]) -> Vec<Asked> {
    let fields = &[
        ("/order", "order_id"),
        ("/ordered_on", "ordered_on"),
        ("/units", "units"),
        ("/total/amount_minor", "amount_minor"),
        ("/total/currency", "currency"),
        ("/version", "version"),
    ];
    let customers: BTreeSet<&str> = rows.iter().map(|row| row.column("customer")).collect();
    let step = (customers.len() / CUSTOMERS_MAX).max(1);
    let one =
        |customer: &str| Asked::list(format!("/v1/customers/{customer}/orders"), fields).given("customer", customer);
    customers.into_iter().step_by(step).map(one).collect()
}

/// How days are asked for. A row says no version, and grows with its orders.
pub(super) fn by_day(_: &[&Row]) -> Vec<Asked> {
    let fields = &[
        ("/ordered_on", "ordered_on"),
        ("/currency", "currency"),
        ("/orders", "orders"),
        ("/units", "units"),
        ("/revenue_minor", "revenue_minor"),
    ];
    vec![Asked::list("/v1/sales/by-day", fields).aged_by("orders")]
}

/// How the sums are asked for, by currency.
pub(super) fn summary(rows: &[&Row]) -> Vec<Asked> {
    let fields = &[
        ("/currency", "currency"),
        ("/orders", "orders"),
        ("/customers", "customers"),
        ("/units", "units"),
        ("/revenue_minor", "revenue_minor"),
    ];
    let one = |row: &&Row| {
        let currency = row.column("currency");
        let asked = Asked::one(format!("/v1/sales/summary?filter[currency]={currency}"), fields);
        asked.aged_by("orders").given("currency", currency)
    };
    rows.iter().map(one).collect()
}
