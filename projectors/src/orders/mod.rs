//! What is shown of orders.

pub mod customer_orders;
#[expect(clippy::module_inception, reason = "files carry the names of their read models")]
pub mod orders;
pub mod sales_by_day;
pub mod sales_summary;
mod sums;

use envelope::Recorded;
use event_schemas::Event;
use event_schemas::orders::OrderEvent;

/// The events of orders in a batch.
fn events(batch: &[Recorded<Event>]) -> impl Iterator<Item = (&Recorded<Event>, &OrderEvent)> {
    batch.iter().filter_map(|event| match &event.data {
        Event::Orders(happened) => Some((event, happened)),
        Event::Identity(_) | Event::Products(_) | Event::Stock(_) | Event::Payments(_) => None,
    })
}
