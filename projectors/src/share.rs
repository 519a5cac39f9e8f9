//! Which partitions of which projections this process follows: those whose advisory locks it holds.
//!
//! All locks are on one connection that ends with the process, so that they are free as soon as it is gone. They only
//! keep two processes from doing the same work: what keeps views right is that checkpoints are compared and set.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;
use std::time::Duration;

use platform::postgres::{ENDS_WITH_ITS_CLIENT, answered};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::claim::{self, Claim};
use crate::in_use::InUse;

/// The first half of every lock's key, so that nobody else's advisory locks are met.
const LOCK_KIND: i32 = 0x4853_4c50;
/// In place of a partition: only one rebuild at a time, and none while somebody works on what is parked.
pub(crate) const REBUILD: i32 = -2;
const EVERY: Duration = Duration::from_secs(1);
/// While something wanted is held by another process.
const EVERY_WHILE_WANTING: Duration = Duration::from_millis(200);
/// How long Postgres may leave the connection of the locks unanswered: about as long as it keeps them for a process
/// that does not answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long the last step on what is given up is waited for at a time; less than Postgres may take to answer.
const LAST_STEP_MAX: Duration = Duration::from_secs(2);

/// Per projection the partitions held.
pub(crate) type Held = BTreeMap<&'static str, BTreeSet<i32>>;

/// What a process wants to follow.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) process: Uuid,
    pub(crate) partitions: Vec<(&'static str, i32)>,
    /// It was told to: others give up what they merely found free.
    pub(crate) explicit: bool,
}

/// A connection that holds locks.
pub(crate) struct Locks {
    db: PgConnection,
    held: BTreeSet<(&'static str, i32)>,
}

impl Locks {
    /// Connects so that Postgres notices within seconds that this process is gone. The URL must not lead through a
    /// pooler.
    pub(crate) async fn connect(url: &str) -> sqlx::Result<Self> {
        let options =
            PgConnectOptions::from_str(url)?.application_name("handsel projector locks").options(ENDS_WITH_ITS_CLIENT);
        Ok(Self { db: PgConnection::connect_with(&options).await?, held: BTreeSet::new() })
    }

    /// Takes those of the wanted locks that are free.
    pub(crate) async fn take(&mut self, wanted: &[(&'static str, i32)]) -> sqlx::Result<()> {
        let missing: Vec<_> = wanted.iter().filter(|place| !self.held.contains(place)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let taken: Vec<(String, i32)> = sqlx::query_as(
            "select projection, partition from unnest($2::text[], $3::integer[]) as w(projection, partition)
              where pg_try_advisory_lock($1, hashtext(projection || '/' || partition))",
        )
        .bind(LOCK_KIND)
        .bind(missing.iter().map(|(name, _)| *name).collect::<Vec<_>>())
        .bind(missing.iter().map(|(_, partition)| *partition).collect::<Vec<_>>())
        .fetch_all(&mut self.db)
        .await?;
        let is_taken = |(name, partition): &&(&str, i32)| taken.iter().any(|(n, p)| n == name && p == partition);
        self.held.extend(missing.into_iter().filter(is_taken).copied());
        Ok(())
    }

    pub(crate) async fn give_up(&mut self, place: (&'static str, i32)) -> sqlx::Result<()> {
        if self.held.remove(&place) {
            sqlx::query("select pg_advisory_unlock($1, hashtext($2 || '/' || $3::integer))")
                .bind(LOCK_KIND)
                .bind(place.0)
                .bind(place.1)
                .execute(&mut self.db)
                .await?;
        }
        Ok(())
    }

    pub(crate) fn holds(&self, place: (&'static str, i32)) -> bool {
        self.held.contains(&place)
    }

    pub(crate) async fn close(self) -> sqlx::Result<()> {
        self.db.close().await
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.db
    }

    /// Takes what is free and wanted, gives up what others ask for, and says after how long to look again.
    async fn settle(&mut self, keeper: &Keeper) -> sqlx::Result<Duration> {
        let Keeper { wanted, in_use, to, .. } = keeper;
        let claims = claim::of_others(self.connection(), wanted.process).await?;
        let asked = |place: (&str, i32)| claims.iter().any(|claim| claim.is_for(place) && wanted.yields_to(claim));
        let given_up: Vec<_> = wanted.partitions.iter().copied().filter(|place| asked(*place)).collect();
        let free: Vec<_> = wanted.partitions.iter().copied().filter(|place| !asked(*place)).collect();
        // First those who use them hear of it, then others may have them.
        to.send_if_modified(|held| {
            let before = held.clone();
            for (name, partition) in &given_up {
                if let Some(partitions) = held.get_mut(name) {
                    partitions.remove(partition);
                }
            }
            *held != before
        });
        // One whose last step takes longer is given up the next time.
        if in_use.has_ended(&given_up, LAST_STEP_MAX).await {
            for place in &given_up {
                self.give_up(*place).await?;
            }
        }
        self.take(&free).await?;
        let now = self.held_without(&given_up);
        to.send_if_modified(|held| std::mem::replace(held, now.clone()) != now);
        let lacking: Vec<_> = free.into_iter().filter(|place| !self.holds(*place)).collect();
        if wanted.explicit {
            claim::renew(self.connection(), wanted.process, &lacking, false).await?;
        }
        Ok(if lacking.is_empty() { EVERY } else { EVERY_WHILE_WANTING })
    }

    /// What may be worked on.
    fn held_without(&self, given_up: &[(&'static str, i32)]) -> Held {
        let mut held = Held::new();
        for (name, partition) in self.held.iter().filter(|place| !given_up.contains(place)) {
            held.entry(name).or_default().insert(*partition);
        }
        held
    }
}

/// Keeps the share of a process.
pub(crate) struct Keeper {
    pub(crate) url: String,
    pub(crate) wanted: Wanted,
    pub(crate) in_use: InUse,
    /// Where those who follow hear of it.
    pub(crate) to: watch::Sender<Held>,
}

impl Keeper {
    /// Takes what is free and wanted and gives up what others ask for, until the process ends.
    pub(crate) async fn keep(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let kept = tokio::select! {
                () = shutdown.cancelled() => return,
                kept = self.keep_connected() => kept,
            };
            // Without its connection this process holds nothing.
            self.to.send_replace(Held::new());
            if let Err(error) = kept {
                tracing::warn!(%error, "The connection that holds the partitions is gone; taking them again");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(EVERY_WHILE_WANTING) => {}
            }
        }
    }

    async fn keep_connected(&self) -> sqlx::Result<()> {
        let mut locks = answered(ANSWER_WAIT_MAX, Locks::connect(&self.url)).await?;
        loop {
            let pause = answered(ANSWER_WAIT_MAX, locks.settle(self)).await?;
            tokio::time::sleep(pause).await;
        }
    }
}

/// Nobody begins a rebuild of a read model while this lives.
pub(crate) struct NoRebuild(PgConnection);

impl NoRebuild {
    /// `None` if one is under way.
    pub(crate) async fn of(views: &PgPool, projection: &str) -> sqlx::Result<Option<Self>> {
        // A connection of its own: the lock ends with it, whatever happens.
        let mut db = PgConnection::connect_with(&views.connect_options()).await?;
        let free = sqlx::query_scalar("select pg_try_advisory_lock_shared($1, hashtext($2 || '/' || $3::integer))")
            .bind(LOCK_KIND)
            .bind(projection)
            .bind(REBUILD)
            .fetch_one(&mut db)
            .await?;
        Ok(if free { Some(Self(db)) } else { None })
    }

    pub(crate) async fn end(self) -> sqlx::Result<()> {
        self.0.close().await
    }
}

impl Wanted {
    /// A rebuild is yielded to by all, an explicit share by those who merely found the partition free. Two that were
    /// told to follow the same one would take it from each other for ever: the second waits for the end of the first.
    fn yields_to(&self, claim: &Claim) -> bool {
        claim.forced || !self.explicit
    }
}
