//! How far each view is behind its stores, with a sign of life of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use envelope::Position;
use event_schemas::{Context, PARTITIONS};
use platform::postgres::{answered, lend};
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::checkpoint::{Cursor, Known, WHOLE_STORE};
use crate::projection::ReadModel;
use crate::store_watch::Watched;
use crate::stores::Stores;

const EVERY: Duration = Duration::from_secs(2);
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);

/// What is shown of each read model, as the last heartbeat found it.
pub(crate) type Shown = BTreeMap<String, Live>;

/// The generation that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) generation: i32,
    /// So many events it leaves out for now; counted up to 10,000.
    pub(crate) parked: i64,
}

/// How a projection is in this process.
#[derive(Clone, Debug, Default)]
pub(crate) enum Condition {
    /// Another process follows it.
    #[default]
    Standby,
    Following(Cursor),
    Stopped(Stopped),
}

/// It tries again.
#[derive(Clone, Debug)]
pub(crate) struct Stopped {
    pub(crate) reason: String,
    /// In vain, until a person does something.
    pub(crate) needs_person: bool,
    /// How far it had come, if it had begun.
    pub(crate) at: Option<Cursor>,
}

/// Where a follower says how it is.
#[derive(Clone, Default)]
pub(crate) struct Pulse(Arc<Mutex<Condition>>);

impl Pulse {
    pub(crate) fn set(&self, condition: Condition) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = condition;
    }

    /// Keeps where it was, so that its lag goes on growing before everybody's eyes.
    pub(crate) fn stop(&self, reason: String, needs_person: bool) {
        let mut condition = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = match std::mem::take(&mut *condition) {
            Condition::Following(cursor) => Some(cursor),
            Condition::Stopped(stopped) => stopped.at,
            Condition::Standby => None,
        };
        *condition = Condition::Stopped(Stopped { reason, needs_person, at });
    }

    pub(crate) fn get(&self) -> Condition {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How far behind a view is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lag {
    /// Events in the stores that are not applied. Exact when it is 0 and for what is read by position; while partitions
    /// are behind it counts as if events were spread evenly over them.
    pub events: i64,
    /// The age of the oldest of them.
    pub seconds: f64,
}

/// Measures and reports until the process ends.
pub(crate) async fn report(
    views: PgPool,
    process: Uuid,
    followed: Vec<(&'static ReadModel, Pulse)>,
    stores: Stores,
    watched: Watched,
    shown: watch::Sender<Shown>,
    shutdown: CancellationToken,
) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(EVERY) => {}
        }
        let mut beats = Vec::new();
        for (model, pulse) in &followed {
            if let Some(beat) = beat(model, &pulse.get(), &stores, &watched).await {
                beats.push(beat);
            }
        }
        match beat_all(&views, process, &beats).await {
            Ok(now) => {
                show_parked(&followed, &now);
                shown.send_replace(now);
            }
            Err(error) => tracing::debug!(%error, "The heartbeat could not be written"),
        }
    }
    if let Err(error) =
        sqlx::query("delete from read.heartbeats where process = $1").bind(process).execute(&views).await
    {
        tracing::debug!(%error, "The heartbeat could not be taken back");
    }
}

struct Beat {
    projection: &'static str,
    partitions: String,
    state: String,
    lag: Option<Lag>,
}

async fn beat(model: &'static ReadModel, condition: &Condition, stores: &Stores, watched: &Watched) -> Option<Beat> {
    let (cursor, state) = match condition {
        Condition::Standby => {
            // What it was when this process last followed it says nothing any more.
            show(model, Lag::default());
            return None;
        }
        Condition::Following(cursor) => (Some(cursor), "following".to_owned()),
        Condition::Stopped(Stopped { reason, at, .. }) => (at.as_ref(), reason.clone()),
    };
    let Some(cursor) = cursor else {
        return Some(Beat { projection: model.name, partitions: "{}".to_owned(), state, lag: None });
    };
    let mut lag = Lag::default();
    for context in model.contexts {
        let one = measure(*context, cursor, stores, watched).await;
        lag = Lag { events: lag.events + one.events, seconds: lag.seconds.max(one.seconds) };
    }
    show(model, lag);
    let partitions: BTreeSet<_> = cursor.places().map(|(place, _)| place.partition).collect();
    let partitions: Vec<_> = partitions.iter().map(i32::to_string).collect();
    Some(Beat { projection: model.name, partitions: format!("{{{}}}", partitions.join(",")), state, lag: Some(lag) })
}

fn show(model: &ReadModel, lag: Lag) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    metrics::gauge!("handsel_projection_lag_events", "projection" => model.name).set(lag.events as f64);
    metrics::gauge!("handsel_projection_lag_seconds", "projection" => model.name).set(lag.seconds);
}

#[expect(clippy::cast_precision_loss, reason = "a gauge")]
fn show_parked(followed: &[(&'static ReadModel, Pulse)], shown: &Shown) {
    for (model, _) in followed {
        let parked = shown.get(model.name).map_or(0, |live| live.parked);
        metrics::gauge!("handsel_projection_parked_events", "projection" => model.name).set(parked as f64);
    }
}

async fn measure(context: Context, cursor: &Cursor, stores: &Stores, watched: &Watched) -> Lag {
    let seen = watched.seen(context);
    let mut events = 0;
    let mut oldest = seen.head;
    for (place, held) in cursor.of(context) {
        let complete = seen.complete(*place, held);
        let share = if place.partition == WHOLE_STORE { 1 } else { i64::from(PARTITIONS) };
        events += ((seen.head.get() - complete.get()).max(0) + share - 1) / share;
        oldest = oldest.min(complete);
    }
    if events == 0 {
        return Lag::default();
    }
    let first = stores.range(context, oldest, Position(oldest.get() + 1), &Known::new()).await;
    let first = first.ok().and_then(|events| events.into_iter().next());
    let age_micros = first.map_or(0, |event| platform::clock::now().micros() - event.recorded_at.micros());
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    Lag { events, seconds: age_micros.max(0) as f64 / 1e6 }
}

/// Writes the heartbeats and answers which generations are shown.
async fn beat_all(views: &PgPool, process: Uuid, beats: &[Beat]) -> sqlx::Result<Shown> {
    let mut connection = lend(views).await?;
    let shown = answered(ANSWER_WAIT_MAX, write(&mut connection, process, beats)).await?;
    connection.give_back();
    Ok(shown)
}

async fn write(db: &mut PgConnection, process: Uuid, beats: &[Beat]) -> sqlx::Result<Shown> {
    let shown: Vec<(String, i32, i64)> = sqlx::query_as(
        "with gone as (delete from read.heartbeats where beat_at < now() - interval '1 minute'),
         beats as (
             insert into read.heartbeats (projection, process, partitions, state, lag_events, lag_seconds)
             select projection, $1, partitions::integer[], state, lag_events, lag_seconds
               from unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::double precision[])
                    as b(projection, partitions, state, lag_events, lag_seconds)
             on conflict (projection, process) do update set
                 partitions = excluded.partitions, state = excluded.state, lag_events = excluded.lag_events,
                 lag_seconds = excluded.lag_seconds, beat_at = now())
         select g.projection, g.generation,
                (select count(*) from (select from read.parked p
                                        where p.projection = g.projection and p.generation = g.generation
                                        limit 10000) as parked)
           from read.generations g where g.state = 'live'",
    )
    .bind(process)
    .bind(beats.iter().map(|beat| beat.projection).collect::<Vec<_>>())
    .bind(beats.iter().map(|beat| beat.partitions.as_str()).collect::<Vec<_>>())
    .bind(beats.iter().map(|beat| beat.state.as_str()).collect::<Vec<_>>())
    .bind(beats.iter().map(|beat| beat.lag.map(|lag| lag.events)).collect::<Vec<_>>())
    .bind(beats.iter().map(|beat| beat.lag.map(|lag| lag.seconds)).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    Ok(shown.into_iter().map(|(name, generation, parked)| (name, Live { generation, parked })).collect())
}

#[cfg(test)]
mod tests;
