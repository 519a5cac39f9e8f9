//! An aggregate that accepts everything, so that only the stores are compared. Its events are as long as an order's.

use std::convert::Infallible;

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How much lies in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Till {
    amount_minor: i64,
}

#[derive(Clone, Debug)]
pub(crate) enum TillCommand {
    Deposit { receipt: Uuid, amount_minor: i64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum TillEvent {
    Deposited { receipt: Uuid, amount_minor: i64, currency: String, deposited_on: String },
}

impl DomainEvent for TillEvent {
    fn event_type(&self) -> String {
        "Deposited".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Till {
    const TYPE: &'static str = "till";
    type Command = TillCommand;
    type Event = TillEvent;
    type Error = Infallible;
    type Services = ();

    async fn handle(&mut self, command: TillCommand, (): &(), sink: &EventSink<Self>) -> Result<(), Infallible> {
        let TillCommand::Deposit { receipt, amount_minor } = command;
        let (currency, deposited_on) = ("USD".to_owned(), "1997-01-01".to_owned());
        sink.write(TillEvent::Deposited { receipt, amount_minor, currency, deposited_on }, self).await;
        Ok(())
    }

    fn apply(&mut self, event: TillEvent) {
        let TillEvent::Deposited { amount_minor, .. } = event;
        self.amount_minor += amount_minor;
    }
}

/// A deposit of its own.
pub(crate) fn deposit() -> TillCommand {
    TillCommand::Deposit { receipt: Uuid::now_v7(), amount_minor: 1177 }
}
