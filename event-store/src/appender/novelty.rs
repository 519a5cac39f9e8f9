//! Guesses which aggregates have no event yet, so that a new one costs no look-up before its first event is written.
//!
//! Like the branch predictor of a processor: as long as the aggregates of a type that were looked up turned out to be
//! new, the next one is presumed to be. A guess is never an answer: the append fails if it was wrong (see
//! `append` in the migrations), and then the slow path looks up what was presumed.

use std::collections::HashMap;

/// What was found lately, per aggregate type.
#[derive(Debug)]
pub(crate) struct Novelty {
    /// How many aggregates in a row were looked up and were new.
    runs: HashMap<&'static str, u32>,
    run_min: u32,
}

impl Novelty {
    /// So many in a row must have been new before one is presumed to be: a wrong guess costs several round trips.
    pub(crate) const RUN_MIN: u32 = 64;

    pub(crate) fn new(run_min: u32) -> Self {
        Self { runs: HashMap::new(), run_min }
    }

    /// An aggregate of this type was looked up.
    pub(crate) fn saw(&mut self, aggregate_type: &'static str, is_new: bool) {
        let run = self.runs.entry(aggregate_type).or_default();
        *run = if is_new { run.saturating_add(1) } else { 0 };
    }

    /// Whether the next one of this type is presumed to be new.
    pub(crate) fn presumes(&self, aggregate_type: &'static str) -> bool {
        self.runs.get(aggregate_type).copied().unwrap_or_default() >= self.run_min
    }
}
