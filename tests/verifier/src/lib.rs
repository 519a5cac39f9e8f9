//! What must hold of a whole system, running or stopped, and whether it does.
//!
//! [`verify_all`] goes through [`checks::CHECKS`] on a [`Subject`]. Nothing here decides, projects or answers: read
//! models are compared with oracles that were written from the meaning of the events ([`oracle`]), and with what the
//! projections' own code makes of the same events anew.

pub mod acknowledged;
pub mod checks;
pub mod oracle;
mod outcome;
mod places;
pub mod plain;
mod subject;

pub use acknowledged::Acknowledged;
pub use outcome::{EVIDENCE_MAX, Outcome, Report, Verdict};
pub use subject::{Begun, Journal, Options, StoreOf, Subject, Topics};

/// Runs every check. One that cannot be carried out does not hold, and the others go on.
pub async fn verify_all(subject: &Subject) -> Report {
    verify_with(subject, checks::CHECKS).await
}

/// The same for these checks.
pub async fn verify_with(subject: &Subject, checks: &[checks::Check]) -> Report {
    let mut outcomes = Vec::new();
    // A database that is away is what the checks themselves say.
    _ = subject.begun.held(&subject.views).await;
    for check in checks {
        match (check.run)(subject).await {
            Ok(found) => outcomes.extend(found),
            Err(error) => {
                let mut outcome = Outcome::of(check.invariants, check.what);
                outcome.violated(format!("it could not be looked at: {error:#}"));
                outcomes.push(outcome);
            }
        }
    }
    Report::new(outcomes)
}
