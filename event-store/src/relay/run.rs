//! Drives a relay through whatever happens: waits to lead, leads, and begins again.

use std::time::Duration;

use platform::kafka::topics::TopicsError;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::RelayConfig;
use super::leader::{Candidate, Leader};
use super::session::{Ended, Session};
use super::state::RelayState;
use crate::heads::signer::Signing;
use crate::{Committed, Reader, Store, StoreError};

const STANDBY_INTERVAL: Duration = Duration::from_millis(500);
const RETRY_INTERVAL_MIN: Duration = Duration::from_millis(100);
const RETRY_INTERVAL_MAX: Duration = Duration::from_secs(5);

/// Runs until it is told to stop.
pub(crate) async fn run(store: Store, config: RelayConfig, state: watch::Sender<RelayState>, stop: CancellationToken) {
    let mut committed = store.committed();
    let (mut last_seen, mut begun) = (None, false);
    let reader = store.reader();
    let mut retry = RETRY_INTERVAL_MIN;
    while !stop.is_cancelled() {
        let elected = tokio::select! {
            () = stop.cancelled() => break,
            elected = elect(&store, &mut committed, &state) => elected,
        };
        match elected {
            Ok(mut leader) => {
                retry = RETRY_INTERVAL_MIN;
                tracing::info!(context = %store.context(), term = leader.row.term, "This relay leads");
                let mut session = Session {
                    config: &config,
                    reader: &reader,
                    committed: &mut committed,
                    state: &state,
                    stop: &stop,
                    last_seen: &mut last_seen,
                    begun: &mut begun,
                };
                // Beside the sessions: what they wait for must not keep a head from being signed.
                let signing = sign(&config, &reader);
                lead(&mut session, &mut leader).await;
                if let Some(signing) = signing.filter(|_| stop.is_cancelled()) {
                    signing.end().await;
                }
                drop(leader);
                pause(&stop, &mut retry).await;
            }
            Err(error) => {
                tell(&state, RelayState::WaitingForStore(error.to_string()));
                pause(&stop, &mut retry).await;
            }
        }
    }
    state.send_replace(RelayState::Stopped);
}

fn sign(config: &RelayConfig, reader: &Reader) -> Option<Signing> {
    let heads = config.heads.as_ref()?;
    Some(Signing::start(heads, reader.clone(), &config.kafka, config.replication))
}

/// Waits until this relay leads.
async fn elect(
    store: &Store,
    committed: &mut mpsc::Receiver<Committed>,
    state: &watch::Sender<RelayState>,
) -> Result<Leader, StoreError> {
    let mut candidate = Candidate::connect(store.config()).await?;
    loop {
        match candidate.stand().await? {
            Ok(leader) => return Ok(leader),
            Err(loser) => candidate = loser,
        }
        state.send_if_modified(|told| std::mem::replace(told, RelayState::Standby) != RelayState::Standby);
        // What is handed over while another one leads is not kept.
        while committed.try_recv().is_ok() {}
        tokio::time::sleep(STANDBY_INTERVAL).await;
    }
}

/// One session after the other, for as long as the lead lasts.
async fn lead(session: &mut Session<'_>, leader: &mut Leader) {
    let mut retry = RETRY_INTERVAL_MIN;
    loop {
        let began = Instant::now();
        let ended = session.lead(leader).await;
        if began.elapsed() > RETRY_INTERVAL_MAX {
            retry = RETRY_INTERVAL_MIN;
        }
        let told = match &ended {
            Ended::Stopped => return,
            Ended::Dethroned(_) | Ended::Store(_) => None,
            Ended::Topics(TopicsError::Partitions { .. }) => Some(RelayState::Refused(ended.to_string())),
            Ended::HistoryLost(why) => Some(RelayState::HistoryLost(why.clone())),
            Ended::Reset(_) => Some(RelayState::Starting),
            Ended::Topics(_) | Ended::Log(_) | Ended::Producer(_) => {
                Some(RelayState::WaitingForBroker(ended.to_string()))
            }
        };
        let Some(told) = told else {
            tracing::warn!(context = %session.reader.context(), reason = %ended,
                "This relay leads no more and stands again, another one may lead: {ended}");
            tell(session.state, RelayState::WaitingForStore(ended.to_string()));
            return;
        };
        let stuck = matches!(told, RelayState::HistoryLost(_) | RelayState::Refused(_));
        let next = match &told {
            RelayState::HistoryLost(_) => "Nothing is published until the store is recovered",
            RelayState::Refused(_) => "Nothing is published until the topic is as declared",
            RelayState::WaitingForBroker(_) => "Events wait in the store until the broker takes them",
            _ => "The relay begins again from what is known to be in the log",
        };
        if tell(session.state, told) {
            tracing::warn!(context = %session.reader.context(), reason = %ended, "{next}: {ended}");
        }
        if stuck {
            retry = RETRY_INTERVAL_MAX;
        }
        pause(session.stop, &mut retry).await;
        // Only `recover` mends it, which ends this term: whoever leads next reads the new row.
        if stuck || session.stop.is_cancelled() {
            return;
        }
    }
}

/// `true` if that was news.
fn tell(state: &watch::Sender<RelayState>, told: RelayState) -> bool {
    state.send_if_modified(|known| {
        let new = *known != told;
        *known = told;
        new
    })
}

async fn pause(stop: &CancellationToken, interval: &mut Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(*interval) => {}
    }
    *interval = (*interval * 2).min(RETRY_INTERVAL_MAX);
}
