//! Policies that react to the past once more, because a person wants it: where they began at the ends of their stores,
//! or lost what they had noted.

use std::collections::BTreeMap;

use domain::policies::POLICIES;
use envelope::Position;
use event_schemas::Context;
use event_store::{Reader, StoreError};
use sqlx::{PgConnection, PgPool};

use crate::checkpoints::Checkpoint;
use crate::engine::all_policies;

/// Why a policy does not react to the past.
#[derive(Debug, thiserror::Error)]
pub enum NotReplayed {
    /// Nobody is called so.
    #[error("there is no policy `{0}`; there are: {known}", known = names())]
    Unknown(String),
    /// What follows from its events leaves the system.
    #[error("what follows from the events of `{0}` is done outside, by a provider or by mail, and is not done again")]
    Effects(String),
    /// It does not read that store.
    #[error("`{policy}` reads nothing of `{context}`")]
    NotRead {
        /// The policy.
        policy: String,
        /// The store.
        context: Context,
    },
    /// Nothing stands there.
    #[error("`{context}` ends at {end}, before {position}")]
    Beyond {
        /// The store.
        context: Context,
        /// Where it ends.
        end: Position,
        /// What was asked for.
        position: Position,
    },
    /// Postgres refused or is away.
    #[error("the database of the policies: {0}")]
    Database(#[from] sqlx::Error),
    /// A store cannot be asked.
    #[error("asking a store: {0}")]
    Store(#[from] StoreError),
}

/// Lets a policy react again to what happened after these positions, or to everything; in stores that are not named it
/// goes on where it is. Each command is asked for under the key that it had, and whoever is asked knows what was done;
/// so nothing is done twice, and what was never done is. Gives how many events it reacts to.
///
/// # Errors
/// [`NotReplayed`].
pub async fn replay(
    pool: &PgPool,
    policy: &str,
    stores: &[(Context, Reader)],
    after: Option<&BTreeMap<Context, Position>>,
) -> Result<i64, NotReplayed> {
    let known = all_policies().find(|known| known.name == policy);
    let known = known.ok_or_else(|| NotReplayed::Unknown(policy.to_owned()))?;
    if !POLICIES.iter().any(|commanding| commanding.name == policy) {
        return Err(NotReplayed::Effects(policy.to_owned()));
    }
    let start = || known.contexts.iter().map(|context| (*context, Position::ZERO)).collect();
    let after = after.cloned().unwrap_or_else(start);
    let (mut places, mut events) = (Vec::new(), 0);
    for (context, position) in &after {
        let reader = stores.iter().find(|(of, _)| of == context && known.contexts.contains(of));
        let not_read = || NotReplayed::NotRead { policy: policy.to_owned(), context: *context };
        let (_, reader) = reader.ok_or_else(not_read)?;
        let end = Checkpoint::from(reader.head().await?);
        if *position > end.position {
            return Err(NotReplayed::Beyond { context: *context, end: end.position, position: *position });
        }
        places.push((*context, end.back(reader, *position).await?));
        events += end.position.get() - position.get();
    }
    let mut tx = pool.begin().await?;
    for (context, to) in &places {
        go_back(&mut tx, policy, *context, to).await?;
    }
    // Whoever runs it begins anew from there.
    sqlx::query("update react.lanes set settled = settled + 1").execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(events)
}

/// What was noted of what lies behind that place is forgotten: it is noted again.
async fn go_back(db: &mut PgConnection, policy: &str, context: Context, to: &Checkpoint) -> sqlx::Result<()> {
    sqlx::query(
        "update react.checkpoints set history = $3, position = $4, event_id = $5
          where policy = $1 and context = $2 and (history <> $3 or position > $4)",
    )
    .bind(policy)
    .bind(context.name())
    .bind(to.history.0)
    .bind(to.position.get())
    .bind(to.event_id)
    .execute(&mut *db)
    .await?;
    for table in ["dispatches", "timers"] {
        let sql = format!("delete from react.{table} where policy = $1 and context = $2 and position > $3");
        sqlx::query(&sql).bind(policy).bind(context.name()).bind(to.position.get()).execute(&mut *db).await?;
    }
    Ok(())
}

fn names() -> String {
    POLICIES.iter().map(|policy| policy.name).collect::<Vec<_>>().join(", ")
}
