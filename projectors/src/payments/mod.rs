//! What is shown of payments and their operations.

pub mod payment_operations;
#[expect(clippy::module_inception, reason = "files carry the names of their read models")]
pub mod payments;

use envelope::Recorded;
use event_schemas::Event;
use event_schemas::payments::PaymentEvent;
use uuid::Uuid;

use crate::projection::Failed;

/// What happened to a payment, and to which.
struct Happened<'a> {
    payment: Uuid,
    event: &'a Recorded<Event>,
    what: &'a PaymentEvent,
}

/// The events of payments in a batch.
fn happened(batch: &[Recorded<Event>]) -> Result<Vec<Happened<'_>>, Failed> {
    let mut all = Vec::new();
    for event in batch {
        match &event.data {
            Event::Payments(what) => {
                let payment = event.aggregate_id.parse().map_err(Failed::event)?;
                all.push(Happened { payment, event, what });
            }
            Event::Identity(_) | Event::Orders(_) | Event::Products(_) | Event::Reservation(_) | Event::Stock(_) => {}
        }
    }
    Ok(all)
}
