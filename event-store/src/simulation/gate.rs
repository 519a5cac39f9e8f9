//! A gate: who wants to pass may, as long as it is open.

use std::sync::Arc;

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

use crate::appender::decision::{CommandStep, GuardStep, Step, Stream, StreamId};
use crate::codec::Codec;

/// What happened to a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GateEvent {
    /// Somebody passed.
    Passed {
        /// Who.
        by: usize,
    },
    /// It was opened or closed.
    Switched {
        /// Whether it is open now.
        open: bool,
    },
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

/// What may be asked of a gate.
#[derive(Clone, Copy, Debug)]
pub enum GateCommand {
    /// One event for each time.
    Pass {
        /// Who wants to.
        by: usize,
        /// How often.
        times: usize,
    },
    /// Nothing to do if it is so already.
    Switch {
        /// Whether it is to be open.
        open: bool,
    },
}

#[derive(Debug, thiserror::Error)]
#[error("the gate is closed")]
pub(crate) struct Closed;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gate {
    pub(crate) open: bool,
    pub(crate) passed: Vec<usize>,
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
pub struct Part {
    /// Which gate.
    pub gate: usize,
    /// The version that it must have.
    pub expected: Option<i64>,
    /// What is wanted of it.
    pub wants: Wants,
}

/// What is wanted of a gate.
#[derive(Clone, Copy, Debug)]
pub enum Wants {
    /// That it does something.
    Command(GateCommand),
    /// Only if it is open; it is not written.
    Open,
}

/// What a gate is called.
#[must_use]
pub fn name(gate: usize) -> String {
    format!("gate {gate}")
}

pub(crate) fn number(name: &str) -> usize {
    name.trim_start_matches("gate ").parse().expect("gates are called by their number")
}

pub(crate) fn step(part: &Part, codec: &Arc<Codec<Gate>>) -> Box<dyn Step> {
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
