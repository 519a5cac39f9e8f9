//! Whether what is stored gets published.

use std::time::Duration;

use event_schemas::Context;

use super::{NotLooked, Patient, Seen};

/// Longer than it takes until another relay leads.
const SECOND_LOOK: Duration = Duration::from_secs(3);

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    let limits = &patient.limits;
    for context in Context::ALL {
        let store = patient.store(context)?;
        // Where nothing runs, events wait until something does.
        if !patient.is_served(patient.store_database(context)?).await? {
            continue;
        }
        let mut vitals = store.vitals().await?;
        if vitals.relay.is_none() {
            // Between two leaders there is none.
            tokio::time::sleep(SECOND_LOOK).await;
            vitals = store.vitals().await?;
        }
        let published = store.reader().relay_row().await?.map_or(0, |row| row.checkpoint.get());
        let waiting = vitals.head.get() - published;
        let since = vitals.waits_since.map_or(0, |since| vitals.postgres_now.micros() - since.micros()) / 1_000_000;
        match vitals.relay {
            None if waiting > 0 => seen.error(
                "relay.no-leader",
                format!("{waiting} events of `{context}` wait to be published and no relay leads"),
                "nothing is published; read models are fed from the store, readers from outside get nothing",
                "start a relay (`handsel relay`), or see in its log why it does not lead",
            ),
            Some(leader) if waiting > limits.relay_lag_max_events || since > i64::from(limits.relay_lag_max_s) => seen
                .warning(
                    "relay.far-behind",
                    format!("{waiting} events of `{context}` wait to be published, the oldest for {since} s"),
                    "a relay leads and does not keep up: readers of the topic see events late; nothing is lost",
                    format!(
                        "see whether the broker is slow or away, and whether the leader is alive: it is the client of \
                         process {} of Postgres; once that has ended, another relay leads",
                        leader.pid
                    ),
                ),
            None | Some(_) => {}
        }
    }
    Ok(())
}
