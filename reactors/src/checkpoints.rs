//! How far a policy has read a store.

use envelope::{History, Position};
use event_schemas::Context;
use event_store::{Head, Reader, StoreError};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// A place in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) history: History,
    pub(crate) position: Position,
    /// The event that stands there; none at 0.
    pub(crate) event_id: Option<Uuid>,
}

impl From<Head> for Checkpoint {
    fn from(Head { position, event_id, history }: Head) -> Self {
        Self { history, position, event_id }
    }
}

impl Checkpoint {
    /// An earlier place in the store of which this is the end; what lies beyond is the end.
    pub(crate) async fn back(self, reader: &Reader, position: Position) -> Result<Self, StoreError> {
        let position = position.min(self.position);
        Ok(Self { position, event_id: reader.event_at(position).await?, ..self })
    }
}

/// `None` if the policy was never told where to begin.
pub(crate) async fn load(pool: &PgPool, policy: &str, context: Context) -> sqlx::Result<Option<Checkpoint>> {
    let row: Option<(Uuid, i64, Option<Uuid>)> =
        sqlx::query_as("select history, position, event_id from react.checkpoints where policy = $1 and context = $2")
            .bind(policy)
            .bind(context.name())
            .fetch_optional(pool)
            .await?;
    Ok(row.map(|(history, position, event_id)| Checkpoint {
        history: History(history),
        position: Position(position),
        event_id,
    }))
}

/// Moves from one place to the next in each of these stores, if all of them are still there; `false` if somebody else
/// has moved one.
pub(crate) async fn advance(
    db: &mut PgConnection,
    policy: &str,
    moves: &[(Context, Checkpoint, Checkpoint)],
) -> sqlx::Result<bool> {
    let moved = sqlx::query(
        "update react.checkpoints c set position = m.position, event_id = m.event_id
           from unnest($2::text[], $3::uuid[], $4::bigint[], $5::bigint[], $6::uuid[])
                as m(context, history, was, position, event_id)
          where c.policy = $1 and c.context = m.context and c.history = m.history and c.position = m.was",
    )
    .bind(policy)
    .bind(moves.iter().map(|(context, ..)| context.name()).collect::<Vec<_>>())
    .bind(moves.iter().map(|(_, from, _)| from.history.0).collect::<Vec<_>>())
    .bind(moves.iter().map(|(_, from, _)| from.position.get()).collect::<Vec<_>>())
    .bind(moves.iter().map(|(.., to)| to.position.get()).collect::<Vec<_>>())
    .bind(moves.iter().map(|(.., to)| to.event_id).collect::<Vec<_>>())
    .execute(db)
    .await?;
    Ok(usize::try_from(moved.rows_affected()).is_ok_and(|count| count == moves.len()))
}
