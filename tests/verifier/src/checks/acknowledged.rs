//! The journal of a client against the stores: what was acknowledged is there, once, and its key answers the same.

mod ledger;
mod walk;

use std::collections::BTreeMap;

use event_schemas::Context;

use super::Check;
use crate::acknowledged::{self, Acknowledged};
use crate::{Outcome, Subject};

const INVARIANTS: &[&str] = &["I1", "I7"];

pub(super) const CHECK: Check =
    Check { invariants: INVARIANTS, what: "what a client was answered", run: |subject| Box::pin(check(subject)) };

async fn check(subject: &Subject) -> anyhow::Result<Vec<Outcome>> {
    let Some(journal) = &subject.options.acknowledged else {
        let outcome = Outcome::of(INVARIANTS, "what a client was answered against the stores");
        return Ok(vec![outcome.not_looked_at("no journal was named (--acknowledged)")]);
    };
    let file = journal.file.clone();
    let read = tokio::task::spawn_blocking(move || acknowledged::read(&file)).await??;
    let mut lines: BTreeMap<Context, Vec<Acknowledged>> = BTreeMap::new();
    for line in read {
        lines.entry(line.context).or_default().push(line);
    }
    let mut outcomes = Vec::new();
    for (context, lines) in &lines {
        let store = subject.store(*context)?;
        let (found, events) = walk::check(*context, store, lines, journal.complete).await?;
        outcomes.push(found);
        outcomes.push(ledger::check(*context, store, lines, &events).await?);
    }
    if outcomes.is_empty() {
        let outcome = Outcome::of(INVARIANTS, "what a client was answered against the stores");
        outcomes.push(outcome.not_looked_at("the journal is empty"));
    }
    Ok(outcomes)
}

/// The line as evidence names it.
fn named(line: &Acknowledged) -> String {
    let Acknowledged { context, aggregate, version, status, .. } = line;
    let key = line.key.as_ref().map_or_else(|| "no key".to_owned(), |key| format!("key `{key}`"));
    format!("{context}: `{aggregate}` version {version}, answered {status} to {key}")
}
