//! Every read model against a rebuild by its own code, row by row and as one hash; what is shown stays what it was.

use futures::StreamExt as _;
use futures::stream;
use projectors::registry::READ_MODELS;
use projectors::{Checked, RebuildFailed};

use super::Check;
use crate::{Outcome, Subject, oracle, places};

const INVARIANTS: &[&str] = &["I11"];
/// How often a rebuild that was disturbed is begun.
const ATTEMPTS_MAX: u32 = 10;
/// Most of each is waiting until whoever follows it gives way.
const AT_ONCE: usize = 5;

pub(super) const CHECK: Check =
    Check { invariants: INVARIANTS, what: "read models against rebuilds", run: |subject| Box::pin(check(subject)) };

async fn check(subject: &Subject) -> anyhow::Result<Vec<Outcome>> {
    let checks = READ_MODELS.iter().map(|model| of(subject, model.name));
    Ok(stream::iter(checks).buffered(AT_ONCE).collect().await)
}

async fn of(subject: &Subject, model: &'static str) -> Outcome {
    let mut outcome = Outcome::of(INVARIANTS, format!("read model {model} against a rebuild"));
    let checked = match rebuilt(subject, model).await {
        Ok(checked) => checked,
        Err(error @ RebuildFailed::OtherVersion(_)) => return outcome.not_looked_at(error),
        Err(error) => {
            outcome.violated(format!("read.{model}: it could not be rebuilt: {error}"));
            return outcome;
        }
    };
    outcome.see("events", checked.events);
    outcome.see("rows", checked.compared.rows);
    outcome.see("sha256 live", checked.live_sha256.as_str());
    outcome.see("rebuilt", checked.rebuilt_sha256.as_str());
    let personal = oracle::find(model).is_none_or(|oracle| !oracle.personal.is_empty());
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
        outcome.violated(format!("read.{model}: the hashes of its rows differ"));
    }
    outcome
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
