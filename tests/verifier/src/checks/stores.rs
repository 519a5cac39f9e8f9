//! Every store from its first event: positions, sequences, times and the chain.

use super::Check;
use crate::{Outcome, Subject, plain};

const INVARIANTS: &[&str] = &["I2", "I3", "I5"];

pub(super) const CHECK: Check =
    Check { invariants: INVARIANTS, what: "stores", run: |subject| Box::pin(check(subject)) };

async fn check(subject: &Subject) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for (context, store) in &subject.stores {
        let report = plain::walk_store(*context, &store.reader).await?;
        let mut outcome = Outcome::of(INVARIANTS, format!("store {context}: positions, sequences, times, chain"))
            .seen("events", report.events)
            .seen("aggregates", report.aggregates)
            .seen("chain", if report.chain.is_empty() { "empty" } else { &report.chain });
        report.violations.iter().for_each(|violation| outcome.violated(violation));
        outcomes.push(outcome);
    }
    Ok(outcomes)
}
