//! One run: a seed, and what came of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fault::Tally;
use crate::history::History;
use crate::mutant::Mutant;
use crate::world::World;

/// How much happens before trouble ends.
const STEPS: usize = 1_500;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What went wrong on purpose.
    pub tally: Tally,
    /// How many events were committed.
    pub events: usize,
    /// What must not have happened, if it did.
    pub broken: Option<String>,
}

/// Plays a seed. The same seed plays the same run.
#[must_use]
pub fn run(seed: u64, history: &History, mutant: Option<Mutant>) -> Outcome {
    // Only whoever waits for a token asks for a timer, and nobody lets it run.
    let timers = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a timer needs no I/O");
    let _timers = timers.enter();
    let mut world = World::new(seed, history.clone(), mutant);
    let played = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..STEPS {
            world.step();
        }
        world.settle_down();
    }));
    let broken = played.err().map(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
    });
    Outcome { tally: world.tally, events: world.oracle.facts.len(), broken }
}
