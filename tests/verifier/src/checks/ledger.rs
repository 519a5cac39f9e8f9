//! The ledger of answers by itself: each answer rests on events that are there, and no event on two keys.

use std::collections::HashMap;

use futures::TryStreamExt as _;
use serde::Deserialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::Check;
use crate::{Outcome, Subject};

const INVARIANTS: &[&str] = &["I7"];
/// Answers whose events are looked up at once.
const BATCH_ROWS: usize = 2_000;

pub(super) const CHECK: Check =
    Check { invariants: INVARIANTS, what: "the ledger of answers", run: |subject| Box::pin(check(subject)) };

/// What the ledger keeps of an answer.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Kept {
    pub(super) aggregate_id: String,
    pub(super) version: i64,
    pub(super) events: Vec<Uuid>,
    pub(super) created: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    caller: String,
    idempotency_key: String,
    answer: String,
    position: i64,
}

/// An event as far as an answer speaks of it.
#[derive(sqlx::FromRow)]
struct Stored {
    event_id: Uuid,
    position: i64,
    aggregate_id: String,
    sequence: i64,
}

async fn check(subject: &Subject) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for (context, store) in &subject.stores {
        let mut outcome = Outcome::of(INVARIANTS, format!("store {context}: the ledger of answers against the events"));
        let mut rows =
            sqlx::query_as::<_, Row>("select caller, idempotency_key, answer::text as answer, position from commands")
                .fetch(&store.database);
        let (mut answers, mut batch) = (0_u64, Vec::new());
        // The events of answers, each with the number of the answer that it is the effect of.
        let mut claimed: HashMap<Uuid, u64> = HashMap::new();
        while let Some(row) = rows.try_next().await? {
            answers += 1;
            let kept: Kept = match serde_json::from_str(&row.answer) {
                Ok(kept) => kept,
                Err(error) => {
                    outcome.violated(format!("{}: its answer cannot be read: {error}", place(&row)));
                    continue;
                }
            };
            for event in &kept.events {
                if let Some(other) = claimed.insert(*event, answers) {
                    outcome.violated(format!("{}: event {event} is also the effect of answer {other}", place(&row)));
                }
            }
            batch.push((row, kept));
            if batch.len() == BATCH_ROWS {
                compare(&store.database, &std::mem::take(&mut batch), &mut outcome).await?;
            }
        }
        compare(&store.database, &batch, &mut outcome).await?;
        outcome.see("answers", answers);
        outcome.see("events that they led to", claimed.len());
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn place(row: &Row) -> String {
    format!("key `{}` of `{}`", row.idempotency_key, row.caller)
}

async fn compare(database: &PgPool, batch: &[(Row, Kept)], outcome: &mut Outcome) -> anyhow::Result<()> {
    // By position: events carry no index on their ids. An answer's own events are the last ones before its position,
    // or that of an answer that changed nothing.
    let mut positions: Vec<i64> = Vec::new();
    for (row, kept) in batch {
        let first = row.position - i64::try_from(kept.events.len())?.max(1) + 1;
        positions.extend(first..=row.position);
    }
    let stored: Vec<Stored> = sqlx::query_as(
        "select event_id, position, aggregate_id, sequence from events where position = any($1) order by position",
    )
    .bind(&positions)
    .fetch_all(database)
    .await?;
    let by_position: HashMap<i64, &Stored> = stored.iter().map(|event| (event.position, event)).collect();
    for (row, kept) in batch {
        if let Some(reason) = unlike(row, kept, &by_position) {
            outcome.violated(format!("{}: {reason}", place(row)));
        }
    }
    Ok(())
}

fn unlike(row: &Row, kept: &Kept, stored: &HashMap<i64, &Stored>) -> Option<String> {
    if row.position > 0 && !stored.contains_key(&row.position) {
        return Some(format!("its answer rests on position {}, which the store does not have", row.position));
    }
    let count = i64::try_from(kept.events.len()).unwrap_or(i64::MAX);
    for (event, position) in kept.events.iter().zip(row.position - count + 1..) {
        match stored.get(&position) {
            Some(stands) if stands.event_id == *event => {}
            Some(_) | None => return Some(format!("the event {event} that it led to is not at position {position}")),
        }
    }
    let newest = stored.get(&row.position).filter(|_| count > 0)?;
    if newest.aggregate_id == kept.aggregate_id && newest.sequence != kept.version {
        return Some(format!("it answered version {}, and its newest event is {}", kept.version, newest.sequence));
    }
    None
}
