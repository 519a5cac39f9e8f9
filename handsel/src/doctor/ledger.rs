//! Old answers that should have gone from the ledgers.

use event_schemas::Context;

use super::{NotLooked, Patient, Seen};

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    for context in Context::ALL {
        let vitals = patient.store(context)?.vitals().await?;
        // An instance that was away for days sweeps when it takes its first command.
        if vitals.answers_overdue && patient.is_served(patient.store_database(context)?).await? {
            seen.warning(
                "ledger.not-swept",
                format!("the ledger of `{context}` holds answers that are older than two days"),
                "the table grows, and with it every look-up of an idempotency key",
                "look for `Old answers could not be deleted` in the log; the first command after a start sweeps too",
            );
        }
    }
    Ok(())
}
