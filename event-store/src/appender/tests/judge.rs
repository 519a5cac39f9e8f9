//! What a command should come to, said without any of the code under test.

use std::collections::BTreeMap;

use cqrs_es::Aggregate as _;

use crate::simulation::gate::{GateCommand, GateEvent, Part, Wants, name};
use crate::simulation::store::Gates;

/// What a command comes to on a certain state.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Closed,
    Conflict { expected: i64, actual: i64 },
    Nothing,
    Events(Vec<String>),
}

/// Decides without any of the code under test.
pub(super) fn judge(before: &Gates, parts: &[Part]) -> Verdict {
    let mut gates = before.clone();
    let mut events = BTreeMap::<usize, Vec<String>>::new();
    let mut order = Vec::new();
    for part in parts {
        let (version, gate) = gates.entry(name(part.gate)).or_default();
        if let Some(expected) = part.expected.filter(|expected| expected != version) {
            return Verdict::Conflict { expected, actual: *version };
        }
        let new = match part.wants {
            Wants::Open | Wants::Command(GateCommand::Pass { .. }) if !gate.open => return Verdict::Closed,
            Wants::Open => vec![],
            Wants::Command(GateCommand::Pass { by, times }) => vec![GateEvent::Passed { by }; times],
            Wants::Command(GateCommand::Switch { open }) if gate.open == open => vec![],
            Wants::Command(GateCommand::Switch { open }) => vec![GateEvent::Switched { open }],
        };
        for event in new {
            if !order.contains(&part.gate) {
                order.push(part.gate);
            }
            events.entry(part.gate).or_default().push(name(part.gate));
            *version += 1;
            gate.apply(event);
        }
    }
    let events: Vec<String> = order.into_iter().filter_map(|gate| events.remove(&gate)).flatten().collect();
    if events.is_empty() { Verdict::Nothing } else { Verdict::Events(events) }
}
