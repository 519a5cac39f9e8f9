//! Takes a projection from whoever follows it, for the moment in which both generations are written.

use std::time::Duration;

use event_schemas::PARTITIONS;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::RebuildFailed;
use crate::claim;
use crate::follower::partitions_of;
use crate::projection::ReadModel;
use crate::share::{Locks, REBUILD};

/// How long the process that follows it may take to give way.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(30);
const TRY_EVERY: Duration = Duration::from_millis(100);
const RENEW_EVERY: Duration = Duration::from_secs(1);

/// The locks of one projection, held or on their way.
pub(super) struct Takeover {
    model: &'static ReadModel,
    process: Uuid,
    locks: Locks,
    wanted: Vec<(&'static str, i32)>,
    renewing: Option<AbortOnDropHandle<()>>,
}

impl Takeover {
    /// Makes sure that no other rebuild runs.
    pub(super) async fn begin(url: &str, model: &'static ReadModel) -> Result<Self, RebuildFailed> {
        let mut locks = Locks::connect(url).await?;
        let rebuild = (model.name, REBUILD);
        locks.take(&[rebuild]).await?;
        if !locks.holds(rebuild) {
            return Err(RebuildFailed::AlreadyRuns(model.name));
        }
        let all: Vec<i32> = (0..PARTITIONS).collect();
        let wanted = partitions_of(model, &all).into_iter().map(|partition| (model.name, partition)).collect();
        Ok(Self { model, process: Uuid::now_v7(), locks, wanted, renewing: None })
    }

    /// Claims every partition until it holds them all.
    pub(super) async fn complete(&mut self, views: &PgPool) -> Result<(), RebuildFailed> {
        let (views, process, wanted) = (views.clone(), self.process, self.wanted.clone());
        self.renewing = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                if let Ok(mut connection) = views.acquire().await
                    && let Err(error) = claim::renew(&mut connection, process, &wanted, true).await
                {
                    tracing::debug!(%error, "A claim could not be renewed");
                }
                sleep(RENEW_EVERY).await;
            }
        })));
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            self.locks.take(&self.wanted).await?;
            if self.wanted.iter().all(|place| self.locks.holds(*place)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(RebuildFailed::NotGivenUp(self.model.name));
            }
            sleep(TRY_EVERY).await;
        }
    }

    /// The locks are gone if their connection is.
    pub(super) async fn still_held(&mut self) -> Result<(), RebuildFailed> {
        sqlx::query("select 1").execute(self.locks.connection()).await?;
        Ok(())
    }

    /// Gives everything back.
    pub(super) async fn end(mut self) -> Result<(), RebuildFailed> {
        if let Some(renewing) = self.renewing.take() {
            renewing.abort();
            // Aborted or not, it writes no more claims from here on.
            _ = renewing.await;
        }
        claim::renew(self.locks.connection(), self.process, &[], true).await?;
        self.locks.close().await?;
        Ok(())
    }
}
