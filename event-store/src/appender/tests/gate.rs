//! A gate: who wants to pass may, as long as it is open.

use std::sync::Arc;

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

use crate::appender::decision::{CommandStep, GuardStep, Step, Stream, StreamId};
use crate::codec::Codec;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum GateEvent {
    Passed { by: usize },
    Switched { open: bool },
}

impl DomainEvent for GateEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Passed { .. } => "Passed".to_owned(),
            Self::Switched { .. } => "Switched".to_owned(),
        }
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum GateCommand {
    /// One event for each time.
    Pass { by: usize, times: usize },
    /// Nothing to do if it is so already.
    Switch { open: bool },
}

#[derive(Debug, thiserror::Error)]
#[error("the gate is closed")]
pub(super) struct Closed;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Gate {
    pub(super) open: bool,
    pub(super) passed: Vec<usize>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { open: true, passed: Vec::new() }
    }
}

impl Aggregate for Gate {
    const TYPE: &'static str = "gate";
    type Command = GateCommand;
    type Event = GateEvent;
    type Error = Closed;
    type Services = ();

    async fn handle(&mut self, command: GateCommand, (): &(), sink: &EventSink<Self>) -> Result<(), Closed> {
        match command {
            GateCommand::Pass { .. } if !self.open => return Err(Closed),
            GateCommand::Pass { by, times } => {
                for _ in 0..times {
                    sink.write(GateEvent::Passed { by }, self).await;
                }
            }
            GateCommand::Switch { open } if self.open == open => {}
            GateCommand::Switch { open } => sink.write(GateEvent::Switched { open }, self).await,
        }
        Ok(())
    }

    fn apply(&mut self, event: GateEvent) {
        match event {
            GateEvent::Passed { by } => self.passed.push(by),
            GateEvent::Switched { open } => self.open = open,
        }
    }
}

/// One part of what is asked, in a form that can be looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) gate: usize,
    pub(super) expected: Option<i64>,
    pub(super) wants: Wants,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Wants {
    Command(GateCommand),
    /// Only if it is open; it is not written.
    Open,
}

pub(super) fn name(gate: usize) -> String {
    format!("gate {gate}")
}

pub(super) fn step(part: &Part, codec: &Arc<Codec<Gate>>) -> Box<dyn Step> {
    let id = StreamId { aggregate_type: Gate::TYPE, aggregate_id: name(part.gate).into() };
    let stream = Stream { id, kind: codec.clone() };
    let expected = part.expected;
    match part.wants {
        Wants::Command(command) => {
            Box::new(CommandStep { stream, command, expected, services: Arc::new(()), codec: codec.clone() })
        }
        Wants::Open => {
            let check = Box::new(|gate: &Gate| if gate.open { Ok(()) } else { Err(Closed) });
            Box::new(GuardStep::<Gate> { stream, expected, check })
        }
    }
}
