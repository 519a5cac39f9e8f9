//! A store against the heads that were signed of it.

use event_schemas::Context;
use event_store::Reader;
use verifier::Outcome;

use crate::instance::Instance;
use crate::{heads, output};

/// Compares, and says so line by line; whether it holds.
pub(super) async fn walk(instance: &Instance, context: Context, reader: &Reader) -> anyhow::Result<bool> {
    let report = heads::verify(instance, context, reader).await?;
    for note in &report.notes {
        output::line(format!("{context}: signed heads: note: {note}"))?;
    }
    for finding in &report.findings {
        output::line(format!("{context}: signed heads: {finding}"))?;
    }
    let Some((position, at)) = report.newest.filter(|_| report.heads > 0) else {
        let nothing = "no head of this store was ever signed: that nothing was cut off is not proven";
        output::line(format!("{context}: {}", if report.holds() { nothing } else { "signed heads: DOES NOT HOLD" }))?;
        return Ok(report.holds());
    };
    output::line(format!(
        "{context}: {} signed heads, the newest of position {position} at {at}: {}",
        report.heads,
        if report.holds() { "holds" } else { "DOES NOT HOLD" },
    ))?;
    Ok(report.holds())
}

/// Compares, as one of all checks.
pub(super) async fn check(instance: &Instance, context: Context, reader: &Reader) -> Outcome {
    let mut outcome = Outcome::of(&["I5"], format!("store {context}: nothing that was signed is cut off or replaced"));
    let report = match heads::verify(instance, context, reader).await {
        Ok(report) => report,
        Err(error) => {
            outcome.violated(format!("it could not be looked at: {error:#}"));
            return outcome;
        }
    };
    outcome.see("signed heads", report.heads);
    if let Some((position, _)) = report.newest {
        outcome.see("newest signed position", position.get().to_string());
    }
    for (number, note) in (1..).zip(&report.notes) {
        outcome.see(&format!("note {number}:"), note.to_string());
    }
    report.findings.iter().for_each(|finding| outcome.violated(finding));
    if report.heads == 0 && report.holds() {
        return outcome.not_looked_at("no head of this store was ever signed: that nothing was cut off is not proven");
    }
    outcome
}
