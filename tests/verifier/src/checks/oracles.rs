//! Every read model against its oracle, at the very checkpoints that the read model holds: so it need not stand still.

mod answers;

use std::collections::{BTreeSet, HashMap, HashSet};

use envelope::{Position, Recorded};
use event_schemas::{Context, PARTITIONS};
use event_store::{RawPayload, StoreError};
use futures::TryStreamExt as _;
use platform::bar::Bar;
use projectors::WHOLE_STORE;
use projectors::projection::{Order, ReadModel};
use projectors::registry::READ_MODELS;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::Check;
use crate::oracle::{self, Asked, Keys, Oracle, Row};

use self::answers::Rows;
use crate::{Outcome, Subject, places};

const INVARIANTS: &[&str] = &["I12"];
/// Events read in one short transaction.
const RANGE_EVENTS: i64 = 50_000;

pub(super) const CHECK: Check =
    Check { invariants: INVARIANTS, what: "read models against oracles", run: |subject| Box::pin(check(subject)) };

/// A read model and its oracle on their way.
struct Judged {
    model: &'static ReadModel,
    personal: &'static [&'static str],
    /// Until it has written down its rows.
    oracle: Option<Box<dyn Oracle>>,
    asked: fn(&[&Row]) -> Vec<Asked>,
    /// How far the read model is.
    held: HashMap<(Context, i32), i64>,
    /// What it has set aside or was told to leave out.
    without: HashSet<(String, i64)>,
    skipped: HashSet<Uuid>,
    events: u64,
    outcome: Outcome,
}

async fn check(subject: &Subject) -> anyhow::Result<Vec<Outcome>> {
    // One view of all read models: checkpoints and rows move in one transaction, so they fit each other here.
    let mut views = subject.views.begin().await?;
    sqlx::query("set transaction isolation level repeatable read").execute(&mut *views).await?;
    let names: Vec<String> = READ_MODELS.iter().map(|model| format!("read.{}", model.name)).collect();
    // Before the first look, so that no view is switched between the look and the reading of its rows.
    let lock = format!("lock table {} in access share mode", names.join(", "));
    sqlx::query(&lock).execute(&mut *views).await?;
    let (mut judged, mut outcomes) = begin(&mut views).await?;
    fold(subject, &mut judged).await?;
    for one in judged {
        outcomes.push(compare(subject, &mut views, one).await?);
    }
    views.rollback().await?;
    Ok(outcomes)
}

async fn begin(views: &mut Transaction<'_, Postgres>) -> anyhow::Result<(Vec<Judged>, Vec<Outcome>)> {
    let held = places::held(&mut **views).await?;
    let versions: HashMap<String, i32> =
        sqlx::query_as::<_, (String, i32)>("select projection, version from read.generations where state = 'live'")
            .fetch_all(&mut **views)
            .await?
            .into_iter()
            .collect();
    let (mut judged, mut outcomes) = (Vec::new(), Vec::new());
    for model in READ_MODELS {
        let outcome = Outcome::of(INVARIANTS, format!("read model {} against its oracle", model.name));
        let Some(oracle) = oracle::find(model.name) else {
            let mut outcome = outcome;
            outcome.violated("it has no oracle");
            outcomes.push(outcome);
            continue;
        };
        if versions.get(model.name) != Some(&model.version()) {
            let reason = "its rows were made by another version of its code than that of this program";
            outcomes.push(outcome.not_looked_at(reason));
            continue;
        }
        let mut at = HashMap::new();
        for one in held.iter().filter(|one| one.projection == model.name) {
            at.insert((one.context.parse()?, one.partition), one.position);
        }
        let (without, skipped) = set_aside(views, model).await?;
        let (begun, personal, asked) = ((oracle.begin)(), oracle.personal, oracle.asked);
        judged.push(Judged {
            model,
            personal,
            oracle: Some(begun),
            asked,
            held: at,
            without,
            skipped,
            events: 0,
            outcome,
        });
    }
    Ok((judged, outcomes))
}

/// Events that the read model has parked, and those that somebody decided to leave out of it.
async fn set_aside(
    views: &mut PgConnection,
    model: &ReadModel,
) -> sqlx::Result<(HashSet<(String, i64)>, HashSet<Uuid>)> {
    let parked = sqlx::query_as(
        "select p.context, p.position from read.parked p join read.generations g using (projection, generation)
          where g.state = 'live' and p.projection = $1",
    );
    let parked: Vec<(String, i64)> = parked.bind(model.name).fetch_all(&mut *views).await?;
    let skipped = sqlx::query_scalar("select event_id from read.skips where projection = $1");
    let skipped: Vec<Uuid> = skipped.bind(model.name).fetch_all(&mut *views).await?;
    Ok((parked.into_iter().collect(), skipped.into_iter().collect()))
}

/// Reads each store once, up to the farthest checkpoint.
async fn fold(subject: &Subject, judged: &mut [Judged]) -> anyhow::Result<()> {
    for (context, store) in &subject.stores {
        let of_context = |one: &Judged| one.held.iter().filter(|((of, _), _)| of == context).map(|(_, at)| *at).max();
        let farthest = judged.iter().filter_map(of_context).max().unwrap_or_default();
        let last = farthest.min(store.reader.head().await?.position.get());
        let bar = Bar::new(format!("oracles of {context}"), Some(last.unsigned_abs()));
        let mut at = 0;
        while at < last {
            let up_to = (at + RANGE_EVENTS).min(last);
            let each = |event: Recorded<RawPayload>| {
                judged.iter_mut().for_each(|one| one.take(*context, &event));
                Ok::<_, StoreError>(())
            };
            store.reader.range_copy(Position(at), Position(up_to), each).await?;
            bar.add((up_to - at).unsigned_abs());
            at = up_to;
        }
        bar.finish();
    }
    Ok(())
}

impl Judged {
    /// Only what the read model has applied.
    fn take(&mut self, context: Context, event: &Recorded<RawPayload>) {
        let partition = match self.model.order {
            Order::Aggregate => platform::kafka::partition_of(&event.aggregate_id, PARTITIONS),
            Order::Store => WHOLE_STORE,
        };
        let applied = self.held.get(&(context, partition)).is_some_and(|held| event.position.get() <= *held);
        let aside =
            !self.without.is_empty() && self.without.contains(&(context.name().to_owned(), event.position.get()));
        if !applied || aside || self.skipped.contains(&event.event_id) {
            return;
        }
        self.events += 1;
        let Some(oracle) = &mut self.oracle else { return };
        if let Err(error) = oracle.take(event) {
            self.outcome.violated(format!("{context}, position {}: {error:#}", event.position));
        }
    }
}

async fn compare(
    subject: &Subject,
    views: &mut Transaction<'_, Postgres>,
    mut judged: Judged,
) -> anyhow::Result<Outcome> {
    judged.outcome.see("events", judged.events);
    if !judged.without.is_empty() || !judged.skipped.is_empty() {
        judged.outcome.see("events parked", judged.without.len());
        judged.outcome.see("events skipped", judged.skipped.len());
    }
    let Some(oracle) = judged.oracle.take() else { return Ok(judged.outcome) };
    let ids: BTreeSet<Uuid> = oracle.keys().into_iter().collect();
    let keys = match &subject.keys {
        Some(ring) if !ids.is_empty() => ring.open_many(&ids.into_iter().collect::<Vec<_>>()).await?,
        _ => Keys::new(),
    };
    let key = judged.model.tables.first().map(|table| table.key).unwrap_or_default();
    let due: Rows = oracle.rows(&keys)?.into_iter().map(|row| (row.key(key), row)).collect();
    answers::check(subject, &mut judged, &due).await?;
    rows(views, &mut judged, due).await?;
    Ok(judged.outcome)
}

/// The rows as the view shows them against those that are due.
async fn rows(views: &mut Transaction<'_, Postgres>, judged: &mut Judged, mut due: Rows) -> anyhow::Result<()> {
    let Judged { model, personal, outcome, .. } = judged;
    let key = model.tables.first().map(|table| table.key).unwrap_or_default();
    let mut count = 0_u64;
    let select = format!("select * from read.{}", model.name);
    let mut found = sqlx::query(&select).fetch(&mut **views);
    while let Some(row) = found.try_next().await? {
        count += 1;
        let row = Row::read(&row)?;
        let place = place(model, &row.key(key));
        match due.remove(&row.key(key)) {
            None => {
                let shown = row.shown(personal);
                outcome.violated(format!("{place}: nothing that happened leads to this row: {shown}"));
            }
            Some(expected) if expected != row => {
                outcome.violated(format!("{place}: {}", expected.differences(&row, personal)));
            }
            Some(_) => {}
        }
    }
    outcome.see("rows", count);
    for (key, row) in due {
        outcome.violated(format!("{}: the row is missing: {}", place(model, &key), row.shown(personal)));
    }
    Ok(())
}

fn place(model: &ReadModel, key: &[String]) -> String {
    format!("read.{} ({})", model.name, key.join(", "))
}
