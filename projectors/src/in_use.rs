//! What this process works on: a partition is given up only when the last step on it has ended.
//!
//! Whoever takes a partition over would otherwise meet that step. Its checkpoint is compared, so no row would be wrong,
//! but one of the two would have worked for nothing, and a rebuild has much to lose.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// A projection and one of its partitions.
type Place = (&'static str, i32);

/// The partitions on which somebody in this process works.
#[derive(Clone)]
pub(crate) struct InUse(Arc<watch::Sender<BTreeSet<Place>>>);

/// Work on some partitions of a projection, until it is dropped.
pub(crate) struct Using {
    of: InUse,
    projection: &'static str,
    partitions: BTreeSet<i32>,
}

impl InUse {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::default()))
    }

    /// Nobody else works on them in this process: each projection has one follower.
    pub(crate) fn begin(&self, projection: &'static str, partitions: &BTreeSet<i32>) -> Using {
        self.0.send_modify(|places| places.extend(partitions.iter().map(|partition| (projection, *partition))));
        Using { of: self.clone(), projection, partitions: partitions.clone() }
    }

    /// Waits until nobody works on any of them; `false` if somebody still does after so long.
    pub(crate) async fn has_ended(&self, places: &[Place], max: Duration) -> bool {
        let mut watched = self.0.subscribe();
        let ended = watched.wait_for(|used| places.iter().all(|place| !used.contains(place)));
        // The sender is here.
        tokio::time::timeout(max, ended).await.is_ok()
    }
}

impl Using {
    pub(crate) fn partitions(&self) -> &BTreeSet<i32> {
        &self.partitions
    }
}

impl Drop for Using {
    fn drop(&mut self) {
        self.of.0.send_modify(|places| {
            for partition in &self.partitions {
                places.remove(&(self.projection, *partition));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test(start_paused = true)]
    async fn what_is_in_use_is_waited_for_and_nothing_else() {
        let in_use = InUse::new();
        let using = in_use.begin("orders", &BTreeSet::from([1, 2]));
        assert!(in_use.has_ended(&[("orders", 3), ("accounts", 1)], SOON).await);
        assert!(!in_use.has_ended(&[("orders", 3), ("orders", 1)], SOON).await);
        let waits = tokio::spawn({
            let in_use = in_use.clone();
            async move { in_use.has_ended(&[("orders", 1)], 10 * SOON).await }
        });
        tokio::time::sleep(SOON).await;
        drop(using);
        assert!(waits.await.unwrap());
    }
}
