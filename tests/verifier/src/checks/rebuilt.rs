//! Every read model against a rebuild by its own code, row by row and as one hash; what is shown stays what it was.

use projectors::registry::READ_MODELS;
use projectors::{Checked, RebuildFailed};

use super::Check;
use crate::{Outcome, Subject, oracle, places};

const INVARIANTS: &[&str] = &["I11"];
/// How often a rebuild that was disturbed is begun.
const ATTEMPTS_MAX: u32 = 10;

pub(super) const CHECK: Check =
    Check { invariants: INVARIANTS, what: "read models against rebuilds", run: |subject| Box::pin(check(subject)) };

async fn check(subject: &Subject) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for model in READ_MODELS {
        let mut outcome = Outcome::of(INVARIANTS, format!("read model {} against a rebuild", model.name));
        let checked = match rebuilt(subject, model.name).await {
            Ok(checked) => checked,
            Err(error @ RebuildFailed::OtherVersion(_)) => {
                outcomes.push(outcome.not_looked_at(error));
                continue;
            }
            Err(error) => {
                outcome.violated(format!("read.{}: it could not be rebuilt: {error}", model.name));
                outcomes.push(outcome);
                continue;
            }
        };
        outcome.see("events", checked.events);
        outcome.see("rows", checked.compared.rows);
        outcome.see("sha256 live", checked.live_sha256.as_str());
        outcome.see("rebuilt", checked.rebuilt_sha256.as_str());
        let personal = oracle::find(model.name).is_none_or(|oracle| !oracle.personal.is_empty());
        for difference in &checked.compared.examples {
            let shown = |row: &Option<String>| match row {
                None => "no row".to_owned(),
                Some(_) if personal => "another row, which is personal".to_owned(),
                Some(row) => row.clone(),
            };
            outcome.violated(format!(
                "{}: it shows {}, and a rebuild makes {}",
                difference.row,
                shown(&difference.live),
                shown(&difference.rebuilt)
            ));
        }
        outcome.violations = outcome.violations.max(checked.compared.differing.unsigned_abs());
        if checked.compared.differing == 0 && checked.live_sha256 != checked.rebuilt_sha256 {
            outcome.violated(format!("read.{}: the hashes of its rows differ", model.name));
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// Whoever followed the read model may have had a batch under way when it gave way; then the rebuild begins anew.
async fn rebuilt(subject: &Subject, name: &str) -> Result<Checked, RebuildFailed> {
    let mut attempt = 1;
    loop {
        let (stores, keys) = (subject.readers(), subject.keys.clone());
        match projectors::check(name, &subject.views_url, stores, keys).await {
            Err(RebuildFailed::Disturbed(_) | RebuildFailed::AlreadyRuns(_)) if attempt < ATTEMPTS_MAX => {
                attempt += 1;
                places::pause().await;
            }
            outcome => return outcome,
        }
    }
}
