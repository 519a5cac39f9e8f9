//! Many runs: until a seed fails or all are played.

use crate::fault::Tally;
use crate::history::History;
use crate::mutant::Mutant;
use crate::run::{Outcome, run};

/// What came of many runs.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many seeds were played.
    pub seeds: u64,
    /// How many events were committed in all of them.
    pub events: u64,
    /// What went wrong on purpose.
    pub tally: Tally,
    /// The first seed that failed, and why.
    pub failed: Option<(u64, String)>,
}

/// Plays these seeds up to the first that fails; `played` hears of each.
pub fn play(seeds: impl IntoIterator<Item = u64>, mutant: Option<Mutant>, mut played: impl FnMut(&Outcome)) -> Summary {
    let mut summary = Summary::default();
    for seed in seeds {
        let outcome = run(seed, &History::none(), mutant);
        played(&outcome);
        summary.seeds += 1;
        summary.events += outcome.events as u64;
        summary.tally.add(&outcome.tally);
        if let Some(broken) = outcome.broken {
            summary.failed = Some((seed, broken));
            break;
        }
    }
    summary
}
