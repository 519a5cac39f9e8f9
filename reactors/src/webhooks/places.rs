//! Up to where each subscription has read each store.

use std::collections::BTreeMap;

use envelope::{History, Position};
use event_schemas::Context;
use event_store::{Reader, StoreError};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::checkpoints::Checkpoint;
use crate::schema::MigrationFailed;

/// Where a store ends, or an earlier position of it; `None` if it does not reach so far.
pub(super) async fn place(reader: &Reader, position: Option<Position>) -> Result<Option<Checkpoint>, StoreError> {
    let end = Checkpoint::from(reader.head().await?);
    match position {
        None => Ok(Some(end)),
        Some(position) if position > end.position => Ok(None),
        Some(position) => end.back(reader, position).await.map(Some),
    }
}

/// Notes where a new subscription begins.
pub(super) async fn insert(
    db: &mut PgConnection,
    webhook: Uuid,
    places: &BTreeMap<Context, Checkpoint>,
) -> sqlx::Result<()> {
    for (context, at) in places {
        sqlx::query(
            "insert into react.webhook_places (webhook, context, history, position, event_id)
             values ($1, $2, $3, $4, $5)",
        )
        .bind(webhook)
        .bind(context.name())
        .bind(at.history.0)
        .bind(at.position.get())
        .bind(at.event_id)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// The places of all subscriptions that are delivered to.
pub(super) async fn of_active(pool: &PgPool) -> sqlx::Result<BTreeMap<(Uuid, String), Checkpoint>> {
    let rows: Vec<(Uuid, String, Uuid, i64, Option<Uuid>)> = sqlx::query_as(
        "select p.webhook, p.context, p.history, p.position, p.event_id
           from react.webhook_places p join react.webhooks w using (webhook) where w.state = 'active'",
    )
    .fetch_all(pool)
    .await?;
    let place = |(webhook, context, history, position, event_id)| {
        ((webhook, context), Checkpoint { history: History(history), position: Position(position), event_id })
    };
    Ok(rows.into_iter().map(place).collect())
}

/// Moves a place, if it is still there; `false` if it is not, or the subscription is gone.
pub(super) async fn advance(
    db: &mut PgConnection,
    webhook: Uuid,
    context: Context,
    from: &Checkpoint,
    to: &Checkpoint,
) -> sqlx::Result<bool> {
    let moved = sqlx::query(
        "update react.webhook_places set position = $5, event_id = $6
          where webhook = $1 and context = $2 and history = $3 and position = $4",
    )
    .bind(webhook)
    .bind(context.name())
    .bind(from.history.0)
    .bind(from.position.get())
    .bind(to.position.get())
    .bind(to.event_id)
    .execute(db)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// Lets every subscription begin where a store ends now.
pub(crate) async fn begin_at_head(pool: &PgPool, context: Context, reader: &Reader) -> Result<(), MigrationFailed> {
    let head = reader.head().await?;
    sqlx::query("update react.webhook_places set history = $2, position = $3, event_id = $4 where context = $1")
        .bind(context.name())
        .bind(head.history.0)
        .bind(head.position.get())
        .bind(head.event_id)
        .execute(pool)
        .await?;
    bump(pool).await?;
    Ok(())
}

/// Lets subscriptions go on in the history that a store has begun after it lost events. What was delivered of events
/// that are gone cannot be taken back.
pub(crate) async fn follow_recovery(pool: &PgPool, context: Context, reader: &Reader) -> Result<(), MigrationFailed> {
    let end = Checkpoint::from(reader.head().await?);
    let held: Vec<(Uuid, i64)> =
        sqlx::query_as("select webhook, position from react.webhook_places where context = $1 and history <> $2")
            .bind(context.name())
            .bind(end.history.0)
            .fetch_all(pool)
            .await?;
    for (webhook, position) in held {
        let at = end.back(reader, Position(position)).await?;
        sqlx::query(
            "update react.webhook_places set history = $3, position = $4, event_id = $5
              where webhook = $1 and context = $2",
        )
        .bind(webhook)
        .bind(context.name())
        .bind(at.history.0)
        .bind(at.position.get())
        .bind(at.event_id)
        .execute(pool)
        .await?;
    }
    bump(pool).await?;
    Ok(())
}

/// Whoever delivers looks again.
pub(super) async fn bump(db: impl sqlx::PgExecutor<'_>) -> sqlx::Result<()> {
    sqlx::query("update react.webhook_changes set changes = changes + 1").execute(db).await.map(|_| ())
}
