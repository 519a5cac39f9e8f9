//! Each store against the heads that were signed of it on this machine.

use event_schemas::Context;

use super::{NotLooked, Patient, Seen};
use crate::heads;

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    let settings = &patient.settings.common;
    let trusted = heads::trusted(settings).map_err(|error| NotLooked::because(format!("{error:#}")))?;
    for context in Context::ALL {
        let book = heads::book(settings, context);
        let kept = book.read().map_err(|error| NotLooked::because(format!("{}: {error}", book.path().display())))?;
        let reader = patient.store(context)?.reader();
        for finding in event_store::heads::compare(&reader, &kept, &trusted).await?.findings {
            if finding.is_loss() {
                seen.error(
                    "heads.events-lost",
                    format!("store `{context}`: {finding}"),
                    "a backup was restored, a replica promoted, or rows were removed or written anew: no appender \
                     starts on it",
                    format!("restore the newest copy, or accept the loss with `handsel recover {context}`"),
                );
            } else {
                seen.warning(
                    "heads.doubtful",
                    format!("store `{context}`: {finding}"),
                    "what was signed cannot be held against this store, so that a loss would not show",
                    "`handsel verify` compares with the topic too; see who may write the folder of the heads",
                );
            }
        }
    }
    Ok(())
}
