//! Relay and read models reach what the stores held when the check began, within the time that they are given.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use event_schemas::Context;
use projectors::projection::ReadModel;
use projectors::registry::READ_MODELS;
use sqlx::PgPool;
use tokio::time::Instant;

use super::Check;
use crate::places::{self, Held};
use crate::{Outcome, Subject};

const INVARIANTS: &[&str] = &["I9", "I12"];

pub(super) const CHECK: Check =
    Check { invariants: INVARIANTS, what: "what follows the stores keeps up", run: |subject| Box::pin(check(subject)) };

/// Who follows read models has said so again by then.
const BEAT_WITHIN: Duration = Duration::from_secs(6);

/// The newest position of each place of every context.
type Wanted = BTreeMap<Context, BTreeMap<i32, i64>>;

async fn check(subject: &Subject) -> anyhow::Result<Vec<Outcome>> {
    let wanted = places::newest_of_all(subject).await?;
    let deadline = Instant::now() + subject.options.settle_max;
    let views = views(subject, &wanted, deadline).await?;
    let relays = relays(subject, &wanted, deadline).await?;
    Ok(vec![views, relays])
}

async fn views(subject: &Subject, wanted: &Wanted, deadline: Instant) -> anyhow::Result<Outcome> {
    let mut outcome =
        Outcome::of(&["I12"], "read models reach what the stores held").seen("read models", READ_MODELS.len());
    let (begun, since) = (Instant::now(), now(&subject.views).await?);
    loop {
        let behind = behind(wanted, &places::held(&subject.views).await?);
        if behind.is_empty() && is_followed(subject).await? {
            outcome.see("waited ms", u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
            return Ok(outcome);
        }
        let silent = begun.elapsed() >= BEAT_WITHIN && !beats_since(&subject.views, since).await?;
        if silent || !is_followed(subject).await? {
            return Ok(outcome
                .seen("read models behind", behind.len())
                .not_looked_at("nobody follows any read model: they stand where they were left"));
        }
        if Instant::now() >= deadline {
            behind.into_iter().for_each(|one| outcome.violated(one));
            return Ok(outcome);
        }
        places::pause().await;
    }
}

/// Somebody followed a read model within the last seconds.
async fn is_followed(subject: &Subject) -> sqlx::Result<bool> {
    Ok(projectors::status(&subject.views).await?.iter().any(|one| !one.followers.is_empty()))
}

async fn now(views: &PgPool) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar("select now()").fetch_one(views).await
}

/// Whoever follows says so every two seconds. One that was killed says it no more, although what it said last still
/// stands there.
async fn beats_since(views: &PgPool, since: DateTime<Utc>) -> sqlx::Result<bool> {
    let beats = sqlx::query_scalar("select exists (select from read.heartbeats where beat_at > $1)");
    beats.bind(since).fetch_one(views).await
}

/// What each read model lacks, one line for each that lacks anything.
fn behind(wanted: &Wanted, held: &[Held]) -> Vec<String> {
    READ_MODELS.iter().filter_map(|model| lacks(model, wanted, held)).collect()
}

fn lacks(model: &ReadModel, wanted: &Wanted, held: &[Held]) -> Option<String> {
    for context in model.contexts {
        for partition in places::partitions_of(model) {
            let position = held
                .iter()
                .find(|at| (&*at.projection, &*at.context, at.partition) == (model.name, context.name(), partition))
                .map_or(0, |at| at.position);
            let newest = wanted.get(context).and_then(|of| of.get(&partition)).copied().unwrap_or_default();
            if position < newest {
                let name = model.name;
                return Some(format!("{name}: {context}, place {partition}: it stands at {position} of {newest}"));
            }
        }
    }
    None
}

async fn relays(subject: &Subject, wanted: &Wanted, deadline: Instant) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::of(&["I9"], "relays reach what the stores held").seen("stores", subject.stores.len());
    if !subject.options.quiesced {
        return Ok(outcome.not_looked_at("the system was not said to be quiet (--quiesced)"));
    }
    for (context, store) in &subject.stores {
        let newest = wanted.get(context).and_then(|of| of.get(&projectors::WHOLE_STORE)).copied().unwrap_or_default();
        loop {
            let acknowledged = store.reader.relay_row().await?.map_or(0, |row| row.checkpoint.get());
            if acknowledged >= newest {
                break;
            }
            if Instant::now() >= deadline {
                outcome.violated(format!("{context}: the relay stands at {acknowledged} of {newest}"));
                break;
            }
            places::pause().await;
        }
    }
    Ok(outcome)
}
