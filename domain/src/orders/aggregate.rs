//! An order is taken in once, as it was, or placed here and brought to its end.

use std::collections::BTreeMap;

use chrono::{Datelike as _, NaiveDate};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use event_schemas::Money;
use event_schemas::ids::{AccountId, OrderId};
use event_schemas::orders::OrderEvent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Live, OrderCommand, OrderError, Stage, TOTAL_MINOR_MAX, UNITS_MAX, YEARS, live};
use crate::Folded;

/// Holds only what `decide` asks about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Order {
    /// Nothing happened under this id.
    #[default]
    Absent,
    /// It was completed elsewhere and is known here.
    Imported(Purchase),
    /// It was placed here.
    Live(Box<Live>),
}

/// What was imported, by which a repeated request is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Purchase {
    /// Which order.
    pub order: OrderId,
    /// Who bought.
    pub customer: AccountId,
    /// The day of the purchase.
    pub ordered_on: NaiveDate,
    /// How many pieces.
    pub units: u32,
    /// What was paid for all of them.
    pub total: Money,
}

impl Order {
    /// Every rule is a row: a state, a command, and what follows from them.
    ///
    /// # Errors
    /// The reason why nothing follows.
    pub fn decide(&self, command: OrderCommand) -> Result<Vec<OrderEvent>, OrderError> {
        use OrderCommand::{Cancel, Complete, Confirm, Deliver, ImportOrder, Place, Reserve, Ship};
        match (self, command) {
            (_, ImportOrder { units, .. }) if !(1..=UNITS_MAX).contains(&units) => Err(OrderError::BadUnits),
            (_, ImportOrder { total, .. }) if !(0..=TOTAL_MINOR_MAX).contains(&total.amount_minor) => {
                Err(OrderError::BadTotal)
            }
            (_, ImportOrder { ordered_on, .. }) if !YEARS.contains(&ordered_on.year()) => Err(OrderError::BadDay),
            (Self::Absent, ImportOrder { order, customer, ordered_on, units, total }) => {
                Ok(vec![OrderEvent::OrderImported { order, customer, ordered_on, units, total }])
            }
            (Self::Imported(purchase), ImportOrder { order, customer, ordered_on, units, total }) => {
                if *purchase == (Purchase { order, customer, ordered_on, units, total }) {
                    Ok(vec![])
                } else {
                    Err(OrderError::AlreadyExists)
                }
            }
            (Self::Live(_), ImportOrder { .. }) => Err(OrderError::AlreadyExists),
            (Self::Absent, Place(placing)) => live::place(*placing).map(|placed| vec![placed]),
            (Self::Imported(_), Place(placing)) => live::place(*placing).and(Err(OrderError::AlreadyExists)),
            (Self::Live(live), Place(placing)) => live.place(*placing),
            (Self::Absent, Reserve | Confirm { .. } | Ship(_) | Deliver { .. } | Complete | Cancel { .. }) => {
                Err(OrderError::NotFound)
            }
            (Self::Imported(_), Reserve | Confirm { .. } | Ship(_) | Deliver { .. } | Complete | Cancel { .. }) => {
                Err(OrderError::Imported)
            }
            (Self::Live(live), Reserve) => Ok(live.reserve()),
            (Self::Live(live), Confirm { at }) => Ok(live.confirm(at)),
            (Self::Live(live), Ship(shipping)) => live.ship(*shipping),
            (Self::Live(live), Deliver { at }) => live.deliver(at),
            (Self::Live(live), Complete) => live.complete(),
            (Self::Live(live), Cancel { reason }) => live.cancel(reason),
        }
    }

    /// What happened is never refused: no rule, no error, no clock.
    pub fn evolve(&mut self, event: OrderEvent) {
        match (self, event) {
            (state, OrderEvent::OrderImported { order, customer, ordered_on, units, total }) => {
                *state = Self::Imported(Purchase { order, customer, ordered_on, units, total });
            }
            (state, OrderEvent::OrderPlaced { customer, seller, ordered_on, lines, total, payment_method, .. }) => {
                let (stage, shipments) = (Stage::Placed, BTreeMap::new());
                let live = Live { customer, seller, ordered_on, lines, total, payment_method, stage, shipments };
                *state = Self::Live(Box::new(live));
            }
            (Self::Live(live), later) => live.evolve(later),
            // What goes on where nothing began is of no order that this program could have made.
            (Self::Absent | Self::Imported(_), _) => {}
        }
    }

    /// The order as it was placed here, if it was.
    #[must_use]
    pub fn live(&self) -> Option<&Live> {
        match self {
            Self::Live(live) => Some(live),
            Self::Absent | Self::Imported(_) => None,
        }
    }
}

impl Folded for Order {
    const FOLD: u32 = 2;
}

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Error = OrderError;
    type Services = ();

    async fn handle(&mut self, ask: OrderCommand, _: &(), sink: &EventSink<Self>) -> Result<(), OrderError> {
        for event in self.decide(ask)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: OrderEvent) {
        self.evolve(event);
    }
}
