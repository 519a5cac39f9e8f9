//! What is shown of orders.

pub mod customer_orders;
#[expect(clippy::module_inception, reason = "files carry the names of their read models")]
pub mod orders;
pub mod sales_by_day;
pub mod sales_summary;
mod sums;

use chrono::NaiveDate;
use envelope::Recorded;
use event_schemas::orders::OrderEvent;
use event_schemas::{Event, Money};
use uuid::Uuid;

/// The events of orders in a batch.
fn events(batch: &[Recorded<Event>]) -> impl Iterator<Item = (&Recorded<Event>, &OrderEvent)> {
    batch.iter().filter_map(|event| match &event.data {
        Event::Orders(happened) => Some((event, happened)),
        Event::Identity(_) | Event::Products(_) | Event::Reservation(_) | Event::Stock(_) | Event::Payments(_) => None,
    })
}

/// How far an order is said to be after an event.
fn state_after(happened: &OrderEvent) -> &'static str {
    match happened {
        OrderEvent::OrderPlaced { .. } => "placed",
        OrderEvent::OrderReserved { .. } => "reserved",
        OrderEvent::OrderConfirmed { .. } => "confirmed",
        OrderEvent::OrderShipped { whole: false, .. } => "partly_shipped",
        OrderEvent::OrderShipped { whole: true, .. } => "shipped",
        OrderEvent::OrderDelivered { .. } => "delivered",
        OrderEvent::OrderImported { .. } | OrderEvent::OrderCompleted { .. } => "completed",
        OrderEvent::OrderCancelled { .. } => "cancelled",
    }
}

/// An order that is sold for good.
struct Sale {
    customer: Uuid,
    ordered_on: NaiveDate,
    units: i64,
    total: Money,
}

/// What was sold for good: completed here, or elsewhere and imported. An order that may still be cancelled is no sale.
fn sales(batch: &[Recorded<Event>]) -> impl Iterator<Item = Sale> {
    events(batch).filter_map(|(_, happened)| match happened {
        OrderEvent::OrderImported { customer, ordered_on, units, total, .. } => {
            let (ordered_on, units, total) = (*ordered_on, i64::from(*units), *total);
            Some(Sale { customer: customer.0, ordered_on, units, total })
        }
        OrderEvent::OrderCompleted { customer, ordered_on, units, total } => {
            Some(Sale { customer: customer.0, ordered_on: *ordered_on, units: *units, total: *total })
        }
        OrderEvent::OrderPlaced { .. }
        | OrderEvent::OrderReserved { .. }
        | OrderEvent::OrderConfirmed { .. }
        | OrderEvent::OrderShipped { .. }
        | OrderEvent::OrderDelivered { .. }
        | OrderEvent::OrderCancelled { .. } => None,
    })
}
