//! An order is taken in once, as it was.

use chrono::{Datelike as _, NaiveDate};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use event_schemas::Money;
use event_schemas::ids::{AccountId, OrderId};
use event_schemas::orders::OrderEvent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OrderCommand, OrderError, TOTAL_MINOR_MAX, UNITS_MAX, YEARS};
use crate::Folded;

/// Holds only what `decide` asks about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Order {
    /// Nothing happened under this id.
    #[default]
    Absent,
    /// It was completed elsewhere and is known here.
    Imported(Purchase),
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
        use Order::{Absent, Imported};
        use OrderCommand::ImportOrder;
        match (self, command) {
            (_, ImportOrder { units, .. }) if !(1..=UNITS_MAX).contains(&units) => Err(OrderError::BadUnits),
            (_, ImportOrder { total, .. }) if !(0..=TOTAL_MINOR_MAX).contains(&total.amount_minor) => {
                Err(OrderError::BadTotal)
            }
            (_, ImportOrder { ordered_on, .. }) if !YEARS.contains(&ordered_on.year()) => Err(OrderError::BadDay),
            (Absent, ImportOrder { order, customer, ordered_on, units, total }) => {
                Ok(vec![OrderEvent::OrderImported { order, customer, ordered_on, units, total }])
            }
            (Imported(purchase), ImportOrder { order, customer, ordered_on, units, total }) => {
                if *purchase == (Purchase { order, customer, ordered_on, units, total }) {
                    Ok(vec![])
                } else {
                    Err(OrderError::AlreadyImported)
                }
            }
        }
    }

    /// What happened is never refused: no rule, no error, no clock.
    pub fn evolve(&mut self, event: OrderEvent) {
        *self = match event {
            OrderEvent::OrderImported { order, customer, ordered_on, units, total } => {
                Self::Imported(Purchase { order, customer, ordered_on, units, total })
            }
        };
    }
}

impl Folded for Order {
    const FOLD: u32 = 1;
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
