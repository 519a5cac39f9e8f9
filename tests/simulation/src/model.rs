//! The protocol of relay and reader in every state that it can be in, within bounds: two relays of which one may be a
//! zombie, one partition of the log, and a reader without the store that comes with nothing.
//!
//! What decides is the code of the relay: the start of a producer, the cursor, the look at the log's bounds. The model
//! adds the lock, the row, the wire and the broker, and does every thing that may come next.

mod state;

use std::fmt;

use stateright::{Checker as _, HasDiscoveries, Model, Property};

pub use self::state::State;
use self::state::Step;

/// How much may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Events of the store.
    pub events: u8,
    /// How often another relay takes the lead, the old one being dead or a zombie.
    pub leaders: u8,
    /// Whether a relay that leads no more may go on.
    pub zombies: bool,
    /// How often the log is wiped.
    pub wipes: u8,
    /// How often it loses its last record.
    pub tails: u8,
    /// How often it loses its first record.
    pub heads: u8,
    /// How often a producer drops a record, writes the next and reports the error only then.
    pub drops: u8,
    /// How often a report does not tell the offset.
    pub untold: u8,
    /// A mistake that is planted.
    pub defect: Option<Defect>,
}

/// A mistake that is planted in the model, to see it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The reader takes whatever lies after what it has.
    PreviousIgnored,
    /// Nobody looks whether the log is still the one that was filled.
    LogNotWatched,
    /// The relay counts what it has handed over as written.
    HandedOverIsWritten,
}

/// Nothing goes wrong.
const CALM: Bounds =
    Bounds { events: 3, leaders: 0, zombies: false, wipes: 0, tails: 0, heads: 0, drops: 0, untold: 0, defect: None };

impl Bounds {
    /// What a test walks.
    pub const SMALL: &'static [Self] = &[
        Self { events: 3, leaders: 1, zombies: true, drops: 1, untold: 1, ..CALM },
        Self { events: 2, leaders: 1, zombies: true, wipes: 1, ..CALM },
        Self { events: 2, leaders: 1, tails: 1, untold: 1, ..CALM },
        Self { events: 2, leaders: 1, heads: 1, ..CALM },
    ];
    /// What takes minutes.
    pub const LARGE: &'static [Self] = &[
        Self { events: 4, leaders: 2, zombies: true, drops: 1, untold: 1, ..CALM },
        Self { events: 3, leaders: 2, zombies: true, wipes: 1, drops: 1, ..CALM },
        Self { events: 3, leaders: 1, tails: 1, untold: 1, drops: 1, ..CALM },
        Self { events: 3, leaders: 1, zombies: true, heads: 1, untold: 1, ..CALM },
    ];
    /// In which each mistake must be found.
    pub const BROKEN: &'static [Self] = &[
        Self { leaders: 1, zombies: true, defect: Some(Defect::PreviousIgnored), drops: 1, ..CALM },
        Self { tails: 1, defect: Some(Defect::LogNotWatched), ..CALM },
        Self { leaders: 1, tails: 1, defect: Some(Defect::HandedOverIsWritten), ..CALM },
    ];
}

/// What was walked, and what was found.
#[derive(Clone, Debug)]
pub struct Walked {
    /// How far.
    pub bounds: Bounds,
    /// So many states, each looked at once.
    pub states: usize,
    /// What must hold and does not, with the way to it.
    pub broken: Option<String>,
}

impl fmt::Display for Walked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bounds, states, broken } = self;
        write!(f, "{states:>12} states  {bounds:?}: ")?;
        match broken {
            None => write!(f, "holds"),
            Some(broken) => write!(f, "BROKEN: {broken}"),
        }
    }
}

/// Looks at every state.
#[must_use]
pub fn walk(bounds: Bounds) -> Walked {
    let checker = bounds.checker().finish_when(HasDiscoveries::Any).spawn_bfs().join();
    let broken = checker.discoveries().into_iter().next().map(|(what, path)| {
        let steps: Vec<_> = path.into_actions().iter().map(|step| format!("{step:?}")).collect();
        format!("{what}: {}", steps.join(", "))
    });
    Walked { bounds, states: checker.unique_state_count(), broken }
}

impl Model for Bounds {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::new()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        actions.extend(Step::all().filter(|step| state.after(*step, self).is_some_and(|next| next != *state)));
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        state.after(step, self)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a reader takes every event once and in order", |_, state: &State| state.is_in_order()),
            Property::always("at rest a reader that comes with nothing has every event", |bounds, state: &State| {
                state.at_rest(bounds).is_whole()
            }),
        ]
    }
}
