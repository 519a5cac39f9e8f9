//! Pieces are kept for somebody until the time that was agreed, and no longer.

use envelope::Recorded;
use event_schemas::ids::ReservationId;
use event_schemas::products::StockEvent;
use event_schemas::{Context, Event};

use super::{Dispatch, Policy, Reaction, StockAsk, Timer};

pub(super) const POLICY: Policy = Policy { name: "reservation_expiry", contexts: &[Context::Products], react };

const LAPSE: &str = "lapse";

fn react(event: &Recorded<Event>) -> Vec<Reaction> {
    let Event::Stock(happened) = &event.data else { return vec![] };
    match happened {
        StockEvent::StockReserved { reservation, until, .. } => {
            let Some((product, sku)) = event.aggregate_id.split_once('/') else { return vec![] };
            let (Ok(product), Ok(sku)) = (product.parse(), sku.parse()) else { return vec![] };
            vec![Reaction::Remind(Timer {
                name: LAPSE,
                about: about(event, *reservation),
                why: "the pieces are kept for somebody until then",
                due: *until,
                dispatch: Dispatch::Stock { product, sku, ask: StockAsk::Lapse { reservation: *reservation } },
            })]
        }
        StockEvent::StockReleased { reservation, .. } | StockEvent::StockCommitted { reservation, .. } => {
            vec![Reaction::Forget { timer: LAPSE, about: about(event, *reservation) }]
        }
        StockEvent::StockReceived { .. } | StockEvent::StockAdjusted { .. } => vec![],
    }
}

fn about(event: &Recorded<Event>, reservation: ReservationId) -> String {
    format!("stock/{}/{reservation}", event.aggregate_id)
}
