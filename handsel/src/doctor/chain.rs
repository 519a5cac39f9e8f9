//! The chain over the newest events of each store.

use event_schemas::Context;
use event_store::tail;

use super::{NotLooked, Patient, Seen};

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    for context in Context::ALL {
        let reader = patient.store(context)?.reader();
        let tail = tail::walk(&reader, patient.limits.chain_events).await?;
        if let Some((position, reason)) = tail.broken {
            seen.error(
                "chain.broken",
                format!("position {position} of `{context}`, among the newest {} events: {reason}", tail.events),
                "somebody or something changed what is never changed: a person with all rights, or a disk that lies",
                "`handsel verify` walks the whole store; compare with a backup before anything is written",
            );
        }
    }
    Ok(())
}
