//! Checkpoints of read models and relays: never beyond their store, in its history, at the event they name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use event_schemas::{Context, PARTITIONS};
use event_store::{Head, RelayRow};
use projectors::registry::READ_MODELS;
use sqlx::PgPool;
use uuid::Uuid;

use super::Check;
use crate::places::{self, Held};
use crate::subject::StoreOf;
use crate::{Outcome, Subject};

const INVARIANTS: &[&str] = &["I10"];

pub(super) const CHECK: Check =
    Check { invariants: INVARIANTS, what: "checkpoints", run: |subject| Box::pin(check(subject)) };

async fn check(subject: &Subject) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = vec![views(subject).await?];
    for (context, store) in &subject.stores {
        outcomes.push(relay(*context, store).await?);
    }
    Ok(outcomes)
}

async fn views(subject: &Subject) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::of(INVARIANTS, "checkpoints of read models against the stores");
    let before = subject.begun.held(&subject.views).await?;
    // In this order: what a checkpoint says now was stored before the heads that are asked for next.
    let held = places::held(&subject.views).await?;
    outcome.see("checkpoints", held.len());
    for (context, store) in &subject.stores {
        let head = store.reader.head().await?;
        let of_context: Vec<&Held> = held.iter().filter(|at| at.context == context.name()).collect();
        let positions: BTreeSet<i64> = of_context.iter().map(|at| at.position).collect();
        let events = events_at(&store.database, &positions.into_iter().collect::<Vec<_>>()).await?;
        for at in of_context {
            if let Some(reason) = unfit(at, &head, &events) {
                let Held { projection, context, partition, position, .. } = at;
                outcome.violated(format!("{projection}: {context}, place {partition}, position {position}: {reason}"));
            }
        }
    }
    for model in READ_MODELS {
        for context in model.contexts {
            for partition in places::partitions_of(model) {
                let there = held
                    .iter()
                    .any(|at| (&*at.projection, &*at.context, at.partition) == (model.name, context.name(), partition));
                let begun = held.iter().any(|at| at.projection == model.name && at.context == context.name());
                if !there && begun {
                    outcome.violated(format!("{}: {context}, place {partition}: it has no checkpoint", model.name));
                }
            }
        }
    }
    gone_back(before, &held).into_iter().for_each(|one| outcome.violated(one));
    Ok(outcome)
}

fn unfit(at: &Held, head: &Head, events: &HashMap<i64, Uuid>) -> Option<String> {
    if at.history() != head.history {
        return Some(format!("it is of history {}, the store is in {}", at.history(), head.history));
    }
    if at.position > head.position.get() {
        return Some(format!("the store ends at {}", head.position));
    }
    match (at.event_id, events.get(&at.position)) {
        (Some(named), Some(stands)) if named != *stands => {
            Some(format!("it names event {named}, and {stands} is there"))
        }
        (Some(named), None) => Some(format!("it names event {named}, and the store has none there")),
        _ => None,
    }
}

/// The same place of the same generation, at an earlier position than before.
fn gone_back(before: &[Held], now: &[Held]) -> Vec<String> {
    let place = |at: &Held| (at.projection.clone(), at.generation, at.context.clone(), at.partition);
    let before: BTreeMap<_, _> = before.iter().map(|at| (place(at), at)).collect();
    let mut found = Vec::new();
    for at in now {
        if let Some(then) = before.get(&place(at)).filter(|then| then.position > at.position) {
            let Held { projection, context, partition, position, .. } = at;
            let then = then.position;
            found.push(format!("{projection}: {context}, place {partition}: it went back from {then} to {position}"));
        }
    }
    found
}

async fn events_at(database: &PgPool, positions: &[i64]) -> sqlx::Result<HashMap<i64, Uuid>> {
    let rows: Vec<(i64, Uuid)> = sqlx::query_as("select position, event_id from events where position = any($1)")
        .bind(positions)
        .fetch_all(database)
        .await?;
    Ok(rows.into_iter().collect())
}

async fn relay(context: Context, store: &StoreOf) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::of(INVARIANTS, format!("the relay's row of {context} against its store"));
    let Some(row) = store.reader.relay_row().await? else {
        return Ok(outcome.not_looked_at("it has no row"));
    };
    let head = store.reader.head().await?;
    outcome.see("acknowledged up to", row.checkpoint.get());
    let place = format!("{context}: relay");
    if row.history != head.history {
        outcome.violated(format!("{place}: it is of history {}, the store is in {}", row.history, head.history));
        return Ok(outcome);
    }
    if row.checkpoint > head.position {
        outcome.violated(format!(
            "{place}: its checkpoint is {}, and the store ends at {}",
            row.checkpoint, head.position
        ));
    }
    let led = !row.last_position.is_empty();
    if led && row.last_position.len() != usize::try_from(PARTITIONS)? {
        outcome.violated(format!("{place}: it knows {} partitions of {PARTITIONS}", row.last_position.len()));
    } else if led {
        partitions(&place, store, &row, &head, &mut outcome).await?;
    }
    Ok(outcome)
}

/// What a partition's newest acknowledged event is must be in it, and none that is acknowledged may come after it.
async fn partitions(
    place: &str,
    store: &StoreOf,
    row: &RelayRow,
    head: &Head,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let positions: Vec<i64> = row.last_position.iter().map(|at| at.get()).collect();
    let rows: Vec<(i64, String)> = sqlx::query_as("select position, aggregate_id from events where position = any($1)")
        .bind(&positions)
        .fetch_all(&store.database)
        .await?;
    let stands: HashMap<i64, String> = rows.into_iter().collect();
    let newest = places::newest(&store.database, row.checkpoint.get()).await?;
    for (partition, last) in (0..).zip(&positions) {
        if *last > head.position.get() {
            outcome.violated(format!(
                "{place}, partition {partition}: it stands at {last}, the store ends at {}",
                head.position
            ));
            continue;
        }
        if let Some(aggregate) = stands.get(last)
            && platform::kafka::partition_of(aggregate, PARTITIONS) != partition
        {
            outcome.violated(format!("{place}, partition {partition}: event {last} is of another partition"));
        }
        let due = newest.get(&partition).copied().unwrap_or_default();
        if *last < due {
            outcome.violated(format!(
                "{place}, partition {partition}: event {due} is acknowledged, and it stands at {last}"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Held, gone_back};

    fn at(partition: i32, generation: i32, position: i64) -> Held {
        let (projection, context) = ("orders".to_owned(), "orders".to_owned());
        Held { projection, generation, context, partition, history: Uuid::nil(), position, event_id: None }
    }

    #[test]
    fn only_the_same_place_of_the_same_generation_can_go_back() {
        let before = [at(0, 1, 5), at(1, 1, 5), at(2, 1, 5)];
        assert_eq!(gone_back(&before, &[at(0, 1, 5), at(1, 1, 9), at(2, 2, 3)]), Vec::<String>::new());
        let found = gone_back(&before, &[at(1, 1, 4)]);
        assert_eq!(found, ["orders: orders, place 1: it went back from 5 to 4"]);
    }
}
