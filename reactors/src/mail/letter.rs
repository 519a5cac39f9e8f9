//! Which events are told of by mail, and what of them is kept until it is written: no personal data.

use envelope::{Recorded, Timestamp};
use event_schemas::Event;
use event_schemas::ids::OrderId;
use event_schemas::orders::{CancellationReason, CancelledStage, OrderEvent};
use serde::{Deserialize, Serialize};

/// Something that somebody is to be told by mail. It is stored, so its form is read by later versions of the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// Of which order.
    pub(crate) order: OrderId,
    /// When it happened, which dates the mail.
    pub(crate) recorded_at: Timestamp,
    /// What happened.
    pub(crate) about: About,
}

/// What happened to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum About {
    /// It is paid and will be sent.
    OrderConfirmed {
        /// Until when.
        ship_until: Timestamp,
    },
    /// It will not be delivered.
    OrderCancelled {
        /// Why.
        reason: CancellationReason,
        /// How far it had come.
        stage: CancelledStage,
    },
}

impl About {
    /// Names the kind of mail, and its templates.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OrderConfirmed { .. } => "order_confirmed",
            Self::OrderCancelled { .. } => "order_cancelled",
        }
    }
}

impl Letter {
    /// What follows from an event; nothing, unless somebody is to be told of it.
    pub(crate) fn of(event: &Recorded<Event>) -> Option<Self> {
        let Event::Orders(what) = &event.data else { return None };
        let about = match what {
            OrderEvent::OrderConfirmed { ship_until } => About::OrderConfirmed { ship_until: *ship_until },
            OrderEvent::OrderCancelled { reason, stage, total: _ } => {
                About::OrderCancelled { reason: *reason, stage: *stage }
            }
            OrderEvent::OrderImported { .. }
            | OrderEvent::OrderPlaced { .. }
            | OrderEvent::OrderReserved { .. }
            | OrderEvent::OrderShipped { .. }
            | OrderEvent::OrderDelivered { .. }
            | OrderEvent::OrderCompleted { .. } => return None,
        };
        Some(Self { order: event.aggregate_id.parse().ok()?, recorded_at: event.recorded_at, about })
    }
}
