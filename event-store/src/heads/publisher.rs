//! Carries the newest signed head to the topic, beside the signing, so that a broker that is away holds up nothing.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::signer::failed;
use super::statement::SignedHead;
use super::topic;

const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Where heads are published.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) kafka: ClientConfig,
    pub(super) topic: String,
    pub(super) replication: Option<i32>,
}

/// A task that publishes the newest head it was given. While the broker is away, a newer one takes the place of the one
/// that waits: the chain of the newest covers all before.
pub(super) struct Publisher {
    newest: watch::Sender<Option<Arc<SignedHead>>>,
    task: AbortOnDropHandle<()>,
}

impl Publisher {
    pub(super) fn start(place: Place, context: String) -> Self {
        let (newest, told) = watch::channel(None);
        Self { newest, task: AbortOnDropHandle::new(tokio::spawn(run(place, context, told))) }
    }

    pub(super) fn publish(&self, head: SignedHead) {
        self.newest.send_replace(Some(Arc::new(head)));
    }

    /// Waits until the newest one is published, but not for ever: it is in the file.
    pub(super) async fn end(mut self, wait_max: Duration) {
        drop(self.newest);
        let _late = tokio::time::timeout(wait_max, &mut self.task).await;
    }
}

async fn run(place: Place, context: String, mut told: watch::Receiver<Option<Arc<SignedHead>>>) {
    let (mut made, mut away) = (false, false);
    while told.changed().await.is_ok() {
        loop {
            let newest = told.borrow_and_update().clone();
            let Some(head) = newest else { break };
            let Place { kafka, topic, replication } = &place;
            let published = if made {
                topic::publish(kafka, topic, &head).await
            } else {
                topic::ensure_and_publish(kafka, topic, *replication, &head).await
            };
            // A broker that forgot the topic gets it again.
            made = published.is_ok();
            let Err(error) = published else {
                if std::mem::take(&mut away) {
                    tracing::info!(context, topic, "Signed heads are published again");
                }
                break;
            };
            failed(&context, "topic");
            if !std::mem::replace(&mut away, true) {
                tracing::warn!(context, topic, "A signed head waits to be published, signing goes on: {error:#}");
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }
}
