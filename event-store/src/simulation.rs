//! The machines of this crate, for those who simulate a whole system of them; nothing of it is part of any program.
//!
//! A store in memory does what the SQL of the real one does. Everything else is the code that programs run: batcher and
//! slow path in [`Process`], start and cursor of the relay in [`relay`].

pub(crate) mod dice;
pub(crate) mod gate;
mod pending;
pub(crate) mod process;
pub mod relay;
pub(crate) mod store;

use envelope::Position;
use uuid::Uuid;

pub use self::dice::Dice;
pub use self::gate::{GateCommand, GateEvent, Part, Wants, name};
pub use self::pending::{Asking, Pending, Reply};
pub use self::process::{Around, Process};
pub use self::store::{Defects, StoreModel};

/// An event as readers of the store see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fact {
    /// Its place in the store.
    pub position: Position,
    /// Its aggregate.
    pub gate: usize,
    /// Its place there.
    pub sequence: i64,
    /// The event.
    pub event_id: Uuid,
    /// What happened.
    pub what: GateEvent,
    /// The number of the command that it came from.
    pub asked: usize,
}
