//! Where read models and relays stand, and what they should have reached.

use std::collections::BTreeMap;
use std::time::Duration;

use envelope::History;
use event_schemas::{Context, PARTITIONS};
use projectors::WHOLE_STORE;
use projectors::projection::{Order, ReadModel};
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

/// Events looked at in one step backwards from the head.
const PAGE_EVENTS: i64 = 5_000;

const PAUSE: Duration = Duration::from_millis(100);

/// Lets those who are behind go on, between two looks with a deadline.
pub(crate) async fn pause() {
    #[expect(clippy::disallowed_methods, reason = "the one place of the verifier that waits for time to pass")]
    tokio::time::sleep(PAUSE).await;
}

/// A checkpoint of the generation of a read model that is shown.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Held {
    pub(crate) projection: String,
    pub(crate) generation: i32,
    pub(crate) context: String,
    pub(crate) partition: i32,
    pub(crate) history: Uuid,
    pub(crate) position: i64,
    pub(crate) event_id: Option<Uuid>,
}

impl Held {
    pub(crate) fn history(&self) -> History {
        History(self.history)
    }
}

/// The checkpoints of everything that is shown, as of one moment.
pub(crate) async fn held(views: impl PgExecutor<'_>) -> sqlx::Result<Vec<Held>> {
    sqlx::query_as(
        "select c.projection, c.generation, c.context, c.partition, c.history, c.position, c.event_id
           from read.checkpoints c join read.generations g using (projection, generation)
          where g.state = 'live' order by c.projection, c.context, c.partition",
    )
    .fetch_all(views)
    .await
}

/// The partitions by which a read model counts how far it is.
pub(crate) fn partitions_of(model: &ReadModel) -> Vec<i32> {
    match model.order {
        Order::Aggregate => (0..PARTITIONS).collect(),
        Order::Store => vec![WHOLE_STORE],
    }
}

/// The newest position of each partition, and of the whole store, up to a position. Reads backwards until each
/// partition has shown itself.
pub(crate) async fn newest(database: &PgPool, up_to: i64) -> sqlx::Result<BTreeMap<i32, i64>> {
    let mut newest: BTreeMap<i32, i64> = BTreeMap::new();
    let mut below = up_to.saturating_add(1);
    while newest.len() <= usize::try_from(PARTITIONS).unwrap_or_default() {
        let page: Vec<(i64, String)> = sqlx::query_as(
            "select position, aggregate_id from events where position < $1 order by position desc limit $2",
        )
        .bind(below)
        .bind(PAGE_EVENTS)
        .fetch_all(database)
        .await?;
        let Some((last, _)) = page.last() else { break };
        below = *last;
        for (position, aggregate) in page {
            newest.entry(WHOLE_STORE).or_insert(position);
            newest.entry(platform::kafka::partition_of(&aggregate, PARTITIONS)).or_insert(position);
        }
    }
    Ok(newest)
}

/// The newest position of each place of every context.
pub(crate) async fn newest_of_all(subject: &crate::Subject) -> sqlx::Result<BTreeMap<Context, BTreeMap<i32, i64>>> {
    let mut all = BTreeMap::new();
    for (context, store) in &subject.stores {
        all.insert(*context, newest(&store.database, i64::MAX - 1).await?);
    }
    Ok(all)
}
