//! Builds a read model again beside the live one, compares the two and shows the new one.
//!
//! 1. A new generation is filled from the stores, with large batches and without secondary indexes.
//! 2. The projection's locks are taken over, so that nobody else follows it for a moment; from then on each batch goes
//!    to both generations in one transaction, so they are equal at every instant.
//! 3. They are compared key range by key range. The same code must give the same rows; another version lists what
//!    differs and is shown only if that is accepted.
//! 4. The view is switched and the locks are given back. Readers never wait.

mod compare;
mod digest;
mod fill;
mod takeover;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use event_store::keys::KeyRing;
use platform::bar::Bar;
use platform::settings::Secret;
use sqlx::PgPool;
use uuid::Uuid;

pub use compare::{Compared, Difference};

use crate::generation::{self, Live};
use crate::parked_rows;
use crate::projection::{Failed, ReadModel};
use crate::registry::{UnknownReadModel, find};
use crate::runner::views_pool;
use crate::stores::{Stores, Unfit};
use fill::Filling;
use takeover::Takeover;

/// What a rebuild did.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    /// The generation that was built.
    pub generation: i32,
    /// How many events went into it.
    pub events: u64,
    /// How long filling took, until it had caught up for the first time.
    pub filled_in: Duration,
    /// What the comparison found.
    pub compared: Compared,
    /// Whether it is shown now. If not, the differences were not accepted and it is dropped.
    pub shown: bool,
}

/// How often a rebuild is begun that somebody disturbs.
const ATTEMPTS_MAX: u32 = 3;

/// What a comparison with a rebuild found that is shown to nobody.
#[derive(Clone, Debug)]
pub struct Checked {
    /// How many events went into the rebuild.
    pub events: u64,
    /// What the comparison found.
    pub compared: Compared,
    /// SHA-256 over the live rows in the order of their key, as hexadecimal.
    pub live_sha256: String,
    /// The same over the rebuilt rows.
    pub rebuilt_sha256: String,
}

/// Why a rebuild ended early. The live generation is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RebuildFailed {
    /// There is no such read model.
    #[error(transparent)]
    Unknown(#[from] UnknownReadModel),
    /// Nothing was migrated.
    #[error("`{0}` has no tables yet; run `handsel migrate`")]
    NotMigrated(&'static str),
    /// Somebody is at it.
    #[error("another process rebuilds `{0}` or works on what is parked in it; wait for it, or end it")]
    AlreadyRuns(&'static str),
    /// The process that follows it does not give way.
    #[error(
        "another process follows `{0}` and did not give way within {wait} s; end it, then rebuild again",
        wait = takeover::WAIT_MAX.as_secs()
    )]
    NotGivenUp(&'static str),
    /// Its rows are of another version of the code, which another rebuild is for.
    #[error("the rows of `{0}` were made by another version of its code; run `handsel rebuild {0} --accept`")]
    OtherVersion(&'static str),
    /// Somebody else moved the checkpoints in spite of the locks.
    #[error("another process wrote to `{0}` during the rebuild; run it again")]
    Disturbed(&'static str),
    /// Postgres refused or is away.
    #[error("the database refused: {0}")]
    Database(#[from] sqlx::Error),
    /// Something around it is away or damaged.
    #[error("{0}")]
    Outside(String),
}

impl From<Unfit> for RebuildFailed {
    fn from(error: Unfit) -> Self {
        Self::Outside(error.to_string())
    }
}

impl From<Failed> for RebuildFailed {
    fn from(error: Failed) -> Self {
        match error {
            Failed::Database(error) => Self::Database(error),
            Failed::Event(reason) => Self::Outside(reason),
            Failed::Outside(error) => Self::Outside(format!("{error:#}")),
        }
    }
}

/// What the parts of a rebuild share.
pub(crate) struct Rebuild {
    model: &'static ReadModel,
    views: PgPool,
    stores: Stores,
    keys: Option<KeyRing>,
    skips: HashSet<Uuid>,
    live: Live,
    generation: i32,
}

/// Builds a read model again. `accept` shows it even if its rows differ from those that are shown now.
///
/// # Errors
/// [`RebuildFailed`] says what to do.
pub async fn rebuild(
    name: &str,
    views_url: &Secret,
    stores: Stores,
    keys: Option<KeyRing>,
    accept: bool,
) -> Result<Rebuilt, RebuildFailed> {
    let mut attempt = 1;
    loop {
        let (rebuild, mut takeover) = Rebuild::begin(name, views_url, stores.clone(), keys.clone()).await?;
        let outcome = rebuild.run(&mut takeover, accept).await;
        let shown = matches!(&outcome, Ok(rebuilt) if rebuilt.shown);
        rebuild.end(takeover, shown).await;
        // Who gives way ends its last step first. One that was frozen while its locks went may still have had one under
        // way; compare and set has kept the rows right.
        if attempt == ATTEMPTS_MAX || !matches!(outcome, Err(RebuildFailed::Disturbed(_))) {
            return outcome;
        }
        tracing::warn!(projection = name, attempt, "Somebody wrote during the rebuild; it begins again");
        attempt += 1;
    }
}

/// Builds a read model again and compares, as [`rebuild`] does, but shows what was shown before. The live rows are
/// brought to where the rebuild is, as whoever follows them would do; otherwise they are left as they are.
///
/// # Errors
/// [`RebuildFailed`] says what to do.
pub async fn check(
    name: &str,
    views_url: &Secret,
    stores: Stores,
    keys: Option<KeyRing>,
) -> Result<Checked, RebuildFailed> {
    let (rebuild, mut takeover) = Rebuild::begin(name, views_url, stores, keys).await?;
    let outcome = rebuild.run_check(&mut takeover).await;
    rebuild.end(takeover, false).await;
    outcome
}

impl Rebuild {
    async fn begin(
        name: &str,
        views_url: &Secret,
        stores: Stores,
        keys: Option<KeyRing>,
    ) -> Result<(Self, Takeover), RebuildFailed> {
        let model = find(name)?;
        let views = views_pool(views_url).map_err(|error| RebuildFailed::Outside(format!("{error:#}")))?;
        let live = generation::live(&mut *views.acquire().await?, model.name)
            .await?
            .ok_or(RebuildFailed::NotMigrated(model.name))?;
        let takeover = Takeover::begin(views_url.expose(), model).await?;
        let generation = generation::begin(&views, model).await?;
        // They hold until the end: nobody skips an event meanwhile.
        let skips = parked_rows::skips(&mut *views.acquire().await?, model.name).await?;
        Ok((Self { model, views, stores, keys, skips, live, generation }, takeover))
    }

    async fn end(self, takeover: Takeover, shown: bool) {
        if !shown {
            generation::forget_others(&self.views, self.model).await;
        }
        if let Err(error) = takeover.end().await {
            // Locks end with their connection and claims by age; what was done is done.
            tracing::warn!(projection = self.model.name, %error, "The locks of the rebuild could not be given back");
        }
        self.views.close().await;
    }

    async fn run(&self, takeover: &mut Takeover, accept: bool) -> Result<Rebuilt, RebuildFailed> {
        let (mut both, filled_in) = self.fill(takeover).await?;
        let compared = self.compare(takeover, &mut both).await?;
        let shown = accept || (compared.differing == 0 && self.same_code());
        if shown {
            both.catch_up(None).await?;
            generation::switch(&self.views, self.model, self.generation).await?;
            generation::forget_others(&self.views, self.model).await;
        }
        Ok(Rebuilt { generation: self.generation, events: both.events(), filled_in, compared, shown })
    }

    async fn run_check(&self, takeover: &mut Takeover) -> Result<Checked, RebuildFailed> {
        if !self.same_code() {
            return Err(RebuildFailed::OtherVersion(self.model.name));
        }
        let (mut both, _) = self.fill(takeover).await?;
        let compared = self.compare(takeover, &mut both).await?;
        let [live_sha256, rebuilt_sha256] = digest::both(self).await?;
        takeover.still_held().await?;
        Ok(Checked { events: both.events(), compared, live_sha256, rebuilt_sha256 })
    }

    /// Fills the new generation and takes the locks: from then on both are written.
    async fn fill(&self, takeover: &mut Takeover) -> Result<(Filling<'_>, Duration), RebuildFailed> {
        let started = Instant::now();
        let mut filling = Filling::begin(self).await?;
        let bar = Bar::new(format!("rebuild {}", self.model.name), Some(filling.missing().await?));
        filling.catch_up(Some(&bar)).await?;
        let filled_in = started.elapsed();
        let mut connection = self.views.acquire().await?;
        crate::table::finish(&mut connection, self.model.name, self.generation, self.model.tables).await?;
        drop(connection);
        filling.catch_up(Some(&bar)).await?;
        takeover.complete(&self.views).await?;
        let both = filling.join_live(&bar).await?;
        bar.finish();
        Ok((both, filled_in))
    }

    /// Compares the two generations while both are written.
    async fn compare(&self, takeover: &mut Takeover, both: &mut Filling<'_>) -> Result<Compared, RebuildFailed> {
        let tables = self.model.tables.iter().filter(|table| self.same_code() || table.suffix.is_empty());
        let tables: Vec<_> = tables.collect();
        let rows = compare::rows(self, &tables).await?;
        let bar = Bar::new(format!("compare {}", self.model.name), Some(rows));
        let mut compared = Compared::default();
        for table in tables {
            let mut ranges = compare::Ranges::of(self, table).await?;
            while ranges.next(&mut compared).await? {
                bar.set(compared.rows.unsigned_abs());
                bar.lag(both.missing().await?);
                takeover.still_held().await?;
                both.catch_up(None).await?;
            }
        }
        bar.finish();
        Ok(compared)
    }

    /// Whether the live rows were made by the code of this program, so that it may go on writing them.
    fn same_code(&self) -> bool {
        self.live.version == self.model.version()
    }
}

/// Begins every read model of these contexts from nothing, as when a store has begun another history. Whoever follows
/// them notices by their checkpoints.
///
/// # Errors
/// If Postgres is away.
pub async fn start_over(views: &PgPool, contexts: &[event_schemas::Context]) -> sqlx::Result<()> {
    for model in crate::registry::READ_MODELS {
        if model.contexts.iter().any(|context| contexts.contains(context)) {
            generation::start_over(views, model).await?;
        }
    }
    Ok(())
}
