//! Follows one projection: catches up from the stores, then lives on the feed, and goes back to the stores whenever the
//! feed has a gap or is silent.

mod catch_up;
mod live;

pub(crate) use catch_up::pick;

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use envelope::History;
use event_store::keys::KeyRing;
use platform::postgres::{answered, lend};
use platform::progress::Progress;
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::checkpoint::{Cursor, Place, WHOLE_STORE};
use crate::feed::Feed;
use crate::generation::Live;
use crate::in_use::{InUse, Using};
use crate::lag::{Condition, Pulse, Shown};
use crate::projection::{Failed, Order, ReadModel};
use crate::share::Held;
use crate::store_watch::Watched;
use crate::stores::{Stores, Unfit};
use crate::writer::Writer;
use crate::{checkpoint_rows, generation, parked_rows};

/// After trouble with a database.
const RETRY: Duration = Duration::from_millis(500);
/// After trouble that a person has to end.
const RETRY_STOPPED: Duration = Duration::from_secs(5);
/// How long the checkpoints may be waited for: a network that swallows what is sent breaks no connection.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);

/// What follows one projection.
pub(crate) struct Follower {
    pub(crate) model: &'static ReadModel,
    pub(crate) views: PgPool,
    pub(crate) writer: Writer,
    pub(crate) stores: Stores,
    pub(crate) keys: Option<KeyRing>,
    pub(crate) progress: Progress,
    pub(crate) feed: Feed,
    pub(crate) watched: Watched,
    pub(crate) held: watch::Receiver<Held>,
    pub(crate) in_use: InUse,
    pub(crate) shown: watch::Receiver<Shown>,
    pub(crate) pulse: Pulse,
    pub(crate) shutdown: CancellationToken,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the process ends")]
    Shutdown,
    #[error("other partitions are held now")]
    HeldOthers,
    #[error("the checkpoints were moved by somebody else")]
    Lost,
    #[error("another generation is shown now")]
    Replaced,
    #[error(
        "its rows were made by version {made} of its code and this is version {ours}: \
         run `handsel rebuild {name} --accept`"
    )]
    OtherVersion { name: &'static str, made: i32, ours: i32 },
    #[error("it has no tables yet: run `handsel migrate`")]
    NotMigrated,
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error(transparent)]
    Failed(#[from] Failed),
}

impl From<sqlx::Error> for Ended {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(Failed::Database(error))
    }
}

impl Ended {
    /// How long to wait before the next try.
    fn pause(&self) -> Duration {
        match self {
            Self::Shutdown | Self::HeldOthers | Self::Lost | Self::Replaced => Duration::ZERO,
            Self::Unfit(Unfit::Changed(_)) | Self::OtherVersion { .. } => RETRY_STOPPED,
            Self::Unfit(_) | Self::Failed(_) | Self::NotMigrated => RETRY,
        }
    }

    /// It does not pass by itself.
    fn needs_person(&self) -> bool {
        match self {
            Self::OtherVersion { .. } | Self::NotMigrated => true,
            Self::Unfit(unfit) => unfit.needs_person(),
            Self::Shutdown | Self::HeldOthers | Self::Lost | Self::Replaced | Self::Failed(_) => false,
        }
    }
}

impl Follower {
    /// Follows until the process ends, whatever happens to the databases.
    pub(crate) async fn run(mut self) {
        // Shown from the start: a counter that appears with its first count has no rate then.
        gaps(self.model.name).increment(0);
        loop {
            let ended = match self.session().await {
                Ok(never) => match never {},
                Err(ended) => ended,
            };
            if matches!(ended, Ended::Shutdown) {
                return;
            }
            let pause = ended.pause();
            if pause > Duration::ZERO {
                let projection = self.model.name;
                tracing::warn!(projection, reason = %ended, "The projection stopped and tries again: {ended}");
                self.pulse.stop(ended.to_string(), ended.needs_person());
                tokio::select! {
                    () = self.shutdown.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }

    async fn session(&mut self) -> Result<std::convert::Infallible, Ended> {
        let using = self.wait_for_partitions().await?;
        let partitions = using.partitions();
        let mut places = BTreeMap::new();
        for context in self.model.contexts {
            let history = self.stores.head(*context).await?.history;
            places.extend(
                partitions.iter().map(|partition| (Place { context: *context, partition: *partition }, history)),
            );
        }
        let Begun { live, cursor, skips } = self.begin(&places).await?;
        for (place, held) in cursor.places() {
            self.stores.check(*place, held).await?;
        }
        let heard = places.keys().map(|place| (*place, Instant::now())).collect();
        let mut session = Session { of: self, generation: live.generation, cursor, skips, heard };
        // Whether anything is parked says the first step.
        session.announce(session.cursor.places(), false);
        let ended = session.follow().await;
        session.withdraw();
        ended
    }

    /// The partitions to follow: those whose locks this process holds, and does not give up before this has ended.
    async fn wait_for_partitions(&mut self) -> Result<Using, Ended> {
        loop {
            let mine = self.held.borrow_and_update().get(self.model.name).cloned().unwrap_or_default();
            if !mine.is_empty() {
                let using = self.in_use.begin(self.model.name, &mine);
                // Whoever gives one up says so first, and then looks whether it is in use.
                if !self.held.has_changed().unwrap_or(true) {
                    return Ok(using);
                }
                continue;
            }
            self.pulse.set(Condition::Standby);
            tokio::select! {
                () = self.shutdown.cancelled() => return Err(Ended::Shutdown),
                changed = self.held.changed() => changed.map_err(|_| Ended::Shutdown)?,
            }
        }
    }

    async fn begin(&self, places: &BTreeMap<Place, History>) -> Result<Begun, Ended> {
        let mut connection = lend(&self.views).await?;
        let begun = answered(ANSWER_WAIT_MAX, begin(&mut connection, self.model, places)).await?;
        connection.give_back();
        Ok(begun)
    }
}

/// Counts records of a topic that follow on others which did not come.
fn gaps(projection: &'static str) -> metrics::Counter {
    metrics::counter!("handsel_projection_gaps_total", "projection" => projection)
}

/// Where a session begins.
struct Begun {
    live: Live,
    cursor: Cursor,
    skips: HashSet<Uuid>,
}

async fn begin(db: &mut PgConnection, model: &ReadModel, places: &BTreeMap<Place, History>) -> Result<Begun, Ended> {
    let live = generation::live(&mut *db, model.name).await?.ok_or(Ended::NotMigrated)?;
    if live.version != model.version() {
        return Err(Ended::OtherVersion { name: model.name, made: live.version, ours: model.version() });
    }
    let cursor = checkpoint_rows::load(&mut *db, model.name, live.generation, places).await?;
    let skips = parked_rows::skips(db, model.name).await?;
    Ok(Begun { live, cursor, skips })
}

/// One projection at work on the partitions that it holds.
struct Session<'f> {
    of: &'f mut Follower,
    generation: i32,
    cursor: Cursor,
    skips: HashSet<Uuid>,
    /// When each place last moved, or was found to be where its store ends.
    heard: BTreeMap<Place, Instant>,
}

/// The partitions of a projection: those of the topics, or the one that stands for whole stores.
pub(crate) fn partitions_of(model: &ReadModel, share: &[i32]) -> Vec<i32> {
    match model.order {
        Order::Aggregate => share.to_vec(),
        Order::Store => vec![WHOLE_STORE],
    }
}
