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

/// Moves from one place to the next, if it is still there; `false` if somebody else has moved it.
pub(crate) async fn advance(
    db: &mut PgConnection,
    policy: &str,
    context: Context,
    from: &Checkpoint,
    to: &Checkpoint,
) -> sqlx::Result<bool> {
    let moved = sqlx::query(
        "update react.checkpoints set position = $5, event_id = $6
          where policy = $1 and context = $2 and history = $3 and position = $4",
    )
    .bind(policy)
    .bind(context.name())
    .bind(from.history.0)
    .bind(from.position.get())
    .bind(to.position.get())
    .bind(to.event_id)
    .execute(db)
    .await?;
    Ok(moved.rows_affected() == 1)
}
