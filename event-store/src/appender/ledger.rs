//! Old answers go from the ledger, beside the commands that come in.

use std::time::{Duration, Instant};

use platform::postgres::{answered, lend};
use sqlx::PgPool;

use super::sql;
use crate::StoreError;

/// Answers are kept for so long.
pub(crate) const HOURS: i32 = 48;
/// How often old ones are looked for.
const EVERY: Duration = Duration::from_secs(600);
/// So many are deleted in one transaction.
const ROWS_MAX: i64 = 5_000;

/// When to look next.
pub(super) struct Upkeep {
    due: Instant,
}

impl Upkeep {
    /// The first look is at once.
    pub(super) fn begin() -> Self {
        Self { due: Instant::now() }
    }

    /// Deletes old answers, if it is time to, in a task of its own.
    pub(super) fn sweep(&mut self, pool: &PgPool, answer_wait_max: Duration) {
        if Instant::now() < self.due {
            return;
        }
        self.due = Instant::now() + EVERY;
        let pool = pool.clone();
        tokio::spawn(async move {
            if let Err(error) = swept(&pool, answer_wait_max).await {
                tracing::warn!(%error, "Old answers could not be deleted from the ledger; trying again later");
            }
        });
    }
}

async fn swept(pool: &PgPool, answer_wait_max: Duration) -> Result<(), StoreError> {
    let mut connection = lend(pool).await?;
    while answered(answer_wait_max, sql::sweep(&mut connection, HOURS, ROWS_MAX)).await? > 0 {}
    connection.give_back();
    Ok(())
}
