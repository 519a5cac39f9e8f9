//! What is shown of orders, from what happened to them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use chrono::NaiveDate;
use envelope::{Recorded, Timestamp};
use event_schemas::orders::{OrderEvent, OrderLine};
use event_schemas::{Currency, Event, Money};
use event_store::RawPayload;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Asked, Keys, Oracle, Row, cell, decoded};

/// An order that exists.
struct Order {
    customer: Uuid,
    seller: Option<Uuid>,
    state: &'static str,
    reason: Option<Value>,
    ordered_on: NaiveDate,
    units: i64,
    total: Money,
    lines: Option<Vec<Value>>,
    shipments: Option<Vec<Value>>,
    version: i64,
    recorded_at: Timestamp,
    changed_at: Timestamp,
}

/// Everything that was ordered.
#[derive(Default)]
struct Book(BTreeMap<Uuid, Order>);

impl Book {
    fn take(&mut self, event: &Recorded<RawPayload>) -> anyhow::Result<()> {
        let Event::Orders(happened) = decoded(event)? else { return Ok(()) };
        if let OrderEvent::OrderImported { .. } | OrderEvent::OrderPlaced { .. } = happened {
            let (id, order) = begun(event, happened)?;
            anyhow::ensure!(self.0.insert(id, order).is_none(), "order {id} began twice");
            return Ok(());
        }
        let order = self.0.get_mut(&event.aggregate_id.parse()?).context("something happened to an unknown order")?;
        order.goes_on(event, happened)
    }
}

/// The order that begins with an event.
fn begun(event: &Recorded<RawPayload>, happened: OrderEvent) -> anyhow::Result<(Uuid, Order)> {
    let (order, customer, ordered_on, total) = match &happened {
        OrderEvent::OrderImported { order, customer, ordered_on, total, .. }
        | OrderEvent::OrderPlaced { order, customer, ordered_on, total, .. } => {
            (order.0, customer.0, *ordered_on, *total)
        }
        other => anyhow::bail!("an order began with {}", other.name()),
    };
    let mut begun = Order {
        customer,
        seller: None,
        state: "completed",
        reason: None,
        ordered_on,
        units: 0,
        total,
        lines: None,
        shipments: None,
        version: event.sequence,
        recorded_at: event.recorded_at,
        changed_at: event.recorded_at,
    };
    match happened {
        OrderEvent::OrderImported { units, .. } => begun.units = i64::from(units),
        OrderEvent::OrderPlaced { seller, lines, .. } => {
            let cost: i64 = lines.iter().map(|line| line.quantity * line.unit_price.amount_minor).sum();
            anyhow::ensure!(cost == total.amount_minor, "order {order} costs {cost}, not {}", total.amount_minor);
            let line = |line: &OrderLine| {
                json!({"product": line.product, "sku": line.sku, "title": line.title, "quantity": line.quantity,
                       "shipped": 0, "unit_price": line.unit_price})
            };
            (begun.seller, begun.state) = (Some(seller.0), "placed");
            begun.units = lines.iter().map(|line| line.quantity).sum();
            (begun.lines, begun.shipments) = (Some(lines.iter().map(line).collect()), Some(vec![]));
        }
        _ => {}
    }
    Ok((order, begun))
}

impl Order {
    /// From which states an event may come, and to which it leads: I17, the graph of orders.
    fn goes_on(&mut self, event: &Recorded<RawPayload>, happened: OrderEvent) -> anyhow::Result<()> {
        let (from, to): (&[&str], _) = match &happened {
            OrderEvent::OrderImported { .. } | OrderEvent::OrderPlaced { .. } => (&[], "placed"),
            OrderEvent::OrderReserved { .. } => (&["placed"], "reserved"),
            OrderEvent::OrderConfirmed { .. } => (&["reserved"], "confirmed"),
            OrderEvent::OrderShipped { whole: false, .. } => (&["confirmed", "partly_shipped"], "partly_shipped"),
            OrderEvent::OrderShipped { whole: true, .. } => (&["confirmed", "partly_shipped"], "shipped"),
            OrderEvent::OrderDelivered { .. } => (&["shipped"], "delivered"),
            OrderEvent::OrderCompleted { .. } => (&["delivered"], "completed"),
            OrderEvent::OrderCancelled { .. } => (&["placed", "reserved", "confirmed"], "cancelled"),
        };
        let (id, was) = (&event.aggregate_id, self.state);
        anyhow::ensure!(from.contains(&was), "order {id} was {was}, and {} happened to it", happened.name());
        match happened {
            OrderEvent::OrderShipped { shipment, lines, tracking, whole, .. } => {
                let known = self.lines.get_or_insert_default();
                for sent in &lines {
                    let line = known
                        .iter_mut()
                        .find(|line| line["product"] == json!(sent.product) && line["sku"] == json!(sent.sku));
                    let line = line.with_context(|| format!("order {id}: {} was not ordered", sent.sku))?;
                    let shipped = line["shipped"].as_i64().unwrap_or_default() + sent.quantity;
                    let ordered = line["quantity"].as_i64().unwrap_or_default();
                    anyhow::ensure!(shipped <= ordered, "order {id}: {shipped} of {ordered} {} were sent", sent.sku);
                    line["shipped"] = json!(shipped);
                }
                let left = known.iter().any(|line| line["shipped"] != line["quantity"]);
                anyhow::ensure!(whole != left, "order {id}: whether all is sent is said wrongly");
                let shipped_at = event.recorded_at;
                let sent = json!({"shipment": shipment, "lines": lines, "tracking": tracking,
                                  "shipped_at": shipped_at});
                self.shipments.get_or_insert_default().push(sent);
            }
            OrderEvent::OrderCancelled { reason, .. } => self.reason = Some(json!(reason)),
            OrderEvent::OrderCompleted { customer, ordered_on, units, total } => {
                let said = (customer.0, ordered_on, units, total);
                let is = (self.customer, self.ordered_on, self.units, self.total);
                anyhow::ensure!(said == is, "order {id} was completed as another one");
            }
            _ => {}
        }
        (self.state, self.version, self.changed_at) = (to, event.sequence, event.recorded_at);
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
                ("seller", order.seller.and_then(cell)),
                ("state", cell(order.state)),
                ("reason", order.reason.as_ref().and_then(Value::as_str).and_then(cell)),
                ("ordered_on", cell(order.ordered_on)),
                ("units", cell(order.units)),
                ("amount_minor", cell(order.total.amount_minor)),
                ("currency", cell(order.total.currency)),
                ("lines", json_of(order.lines.as_ref())),
                ("shipments", json_of(order.shipments.as_ref())),
                ("version", cell(order.version)),
                ("recorded_at", cell(order.recorded_at)),
                ("changed_at", cell(order.changed_at)),
            ])
        };
        Ok(self.0.0.iter().map(row).collect())
    }
}

fn json_of(values: Option<&Vec<Value>>) -> Option<String> {
    values.and_then(|values| cell(json!(values)))
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
                ("state", cell(order.state)),
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
    units: i64,
    revenue_minor: i128,
}

impl Book {
    /// Adds up all orders that were sold for good and are one by this.
    fn sold_by<K: Ord>(&self, by: impl Fn(&Order) -> K) -> BTreeMap<K, Sold> {
        let mut sold: BTreeMap<K, Sold> = BTreeMap::new();
        for order in self.0.values().filter(|order| order.state == "completed") {
            let one = sold.entry(by(order)).or_default();
            one.orders += 1;
            one.customers.insert(order.customer);
            one.units += order.units;
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
        ("/state", "state"),
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
        ("/state", "state"),
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
    let all = Asked::list("/v1/sales/by-currency", fields).aged_by("orders");
    rows.iter().map(one).chain([all]).collect()
}
