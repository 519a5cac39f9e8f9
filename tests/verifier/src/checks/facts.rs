//! Events are facts: the database refuses to change, delete or truncate them.

use sqlx::PgPool;

use super::Check;
use crate::{Outcome, Subject, places};

const INVARIANTS: &[&str] = &["I4"];
/// How long the lock of `truncate` may be waited for: everybody who writes waits behind it.
const LOCK_TIMEOUT: &str = "50ms";
const ATTEMPTS_MAX: u32 = 40;

pub(super) const CHECK: Check =
    Check { invariants: INVARIANTS, what: "events cannot be changed", run: |subject| Box::pin(check(subject)) };

/// What is tried, and its bit in `pg_trigger.tgtype`. None of them would touch a row, should it go through; each is
/// rolled back in any case.
const ATTEMPTS: [(&str, &str, i16); 3] = [
    ("update", "update events set position = position where false", 1 << 4),
    ("delete", "delete from events where false", 1 << 3),
    ("truncate", "truncate events", 1 << 5),
];
const BEFORE: i16 = 1 << 1;

async fn check(subject: &Subject) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for (context, store) in &subject.stores {
        let mut outcome = Outcome::of(INVARIANTS, format!("store {context}: update, delete and truncate are refused"));
        let guarded = guarded(&store.database).await?;
        let mut tried = 0;
        for (name, statement, bit) in ATTEMPTS {
            if guarded & bit == 0 {
                // Not tried: nothing would stand in its way.
                outcome.violated(format!("es_{context}.events: no trigger that is enabled refuses {name}"));
                continue;
            }
            match attempt(&store.database, statement).await? {
                Attempt::Refused => tried += 1,
                Attempt::WentThrough => {
                    outcome.violated(format!("es_{context}.events: `{statement}` was carried out, and rolled back"));
                }
                Attempt::Busy => outcome.see("left to the trigger alone, the table being busy", name),
            }
        }
        outcome.see("attempts refused", tried);
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// What the enabled triggers on `events` run before, as bits of `tgtype`.
async fn guarded(database: &PgPool) -> sqlx::Result<i16> {
    let types: Vec<i16> = sqlx::query_scalar(
        "select tgtype from pg_trigger
          where tgrelid = 'events'::regclass and not tgisinternal and tgenabled in ('O', 'A')",
    )
    .fetch_all(database)
    .await?;
    Ok(types.into_iter().filter(|of| of & BEFORE != 0).fold(0, |all, of| all | of))
}

enum Attempt {
    Refused,
    WentThrough,
    Busy,
}

async fn attempt(database: &PgPool, statement: &str) -> sqlx::Result<Attempt> {
    for _ in 0..ATTEMPTS_MAX {
        let mut tx = database.begin().await?;
        sqlx::query(&format!("set local lock_timeout = '{LOCK_TIMEOUT}'")).execute(&mut *tx).await?;
        let outcome = sqlx::query(statement).execute(&mut *tx).await;
        tx.rollback().await?;
        match outcome {
            Ok(_) => return Ok(Attempt::WentThrough),
            Err(sqlx::Error::Database(refusal)) if refusal.code().as_deref() == Some("55P03") => places::pause().await,
            Err(sqlx::Error::Database(_)) => return Ok(Attempt::Refused),
            Err(error) => return Err(error),
        }
    }
    Ok(Attempt::Busy)
}
