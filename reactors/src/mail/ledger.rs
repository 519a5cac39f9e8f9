//! The rows of mail: what is due, and what came of it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use envelope::Recorded;
use event_schemas::Event;
use sqlx::{PgConnection, PgPool, Row as _};
use uuid::Uuid;

use super::Letter;
use super::step::{Progress, State, Step};
use crate::dispatches::json;

/// One mail that is to be handed over.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) event_id: Uuid,
    pub(crate) letter: Letter,
    pub(crate) progress: Progress,
}

/// What the ledger says.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub(crate) struct Agenda {
    /// The time of the database.
    pub(crate) now: DateTime<Utc>,
    /// When the next mail is due that is not being handed over.
    pub(crate) next: Option<DateTime<Utc>>,
    /// How many wait for a person.
    pub(crate) parked: i64,
}

/// Notes what events tell of, in the transaction of the checkpoint. An event that is noted stays as it is.
pub(crate) async fn note(db: &mut PgConnection, policy: &str, events: &[Arc<Recorded<Event>>]) -> sqlx::Result<()> {
    let letters: Vec<_> = events.iter().filter_map(|event| Some((event, Letter::of(event)?))).collect();
    if letters.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into react.mails (event_id, policy, context, position, letter)
         select event_id, $1, context, position, letter::json
           from unnest($2::uuid[], $3::text[], $4::bigint[], $5::text[]) as n(event_id, context, position, letter)
          order by position
         on conflict do nothing",
    )
    .bind(policy)
    .bind(letters.iter().map(|(event, _)| event.event_id).collect::<Vec<_>>())
    .bind(letters.iter().map(|(event, _)| event.data.context().name()).collect::<Vec<_>>())
    .bind(letters.iter().map(|(event, _)| event.position.get()).collect::<Vec<_>>())
    .bind(letters.iter().map(|(_, letter)| json(letter)).collect::<Result<Vec<_>, _>>()?)
    .execute(db)
    .await?;
    Ok(())
}

/// Looks what is next, besides those that are being handed over.
pub(crate) async fn agenda(pool: &PgPool, policy: &str, busy: &[Uuid]) -> sqlx::Result<Agenda> {
    let sql = "select clock_timestamp() as now,
                      (select min(due) from react.mails
                        where policy = $1 and due is not null and not event_id = any($2)) as next,
                      (select count(*) from react.mails where policy = $1 and state = 'parked') as parked";
    sqlx::query_as(sql).bind(policy).bind(busy).fetch_one(pool).await
}

/// Takes what is due, at most so many: each says from now on that it is being handed over.
pub(crate) async fn take(db: &mut PgConnection, policy: &str, busy: &[Uuid], max: usize) -> sqlx::Result<Vec<Row>> {
    let rows = sqlx::query(
        "select event_id, letter::text, tries from react.mails
          where policy = $1 and not event_id = any($2)
            -- Nothing is put off for so long: that was noted while the clock was wrong.
            and (due <= clock_timestamp() or due > clock_timestamp() + interval '2 hours')
          order by due limit $3",
    )
    .bind(policy)
    .bind(busy)
    .bind(i64::try_from(max).unwrap_or(i64::MAX))
    .fetch_all(&mut *db)
    .await?;
    let mut taken = Vec::new();
    for row in rows {
        let tries: i32 = row.try_get(2)?;
        let progress = Progress { state: State::Due, tries: u32::try_from(tries).unwrap_or_default() };
        let letter = serde_json::from_str(row.try_get(1)?).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        taken.push(Row { event_id: row.try_get(0)?, letter, progress: progress.begun() });
    }
    sqlx::query(
        "update react.mails m set state = 'sending', tries = t.tries, changed_at = clock_timestamp()
           from unnest($1::uuid[], $2::integer[]) as t(event_id, tries) where m.event_id = t.event_id",
    )
    .bind(taken.iter().map(|row| row.event_id).collect::<Vec<_>>())
    .bind(taken.iter().map(|row| tries(row.progress)).collect::<Vec<_>>())
    .execute(db)
    .await?;
    Ok(taken)
}

/// Stores what follows for mails.
pub(crate) async fn put(db: &mut PgConnection, steps: &[(Uuid, Step)]) -> sqlx::Result<()> {
    sqlx::query(
        "update react.mails m
            set state = n.state, tries = n.tries, why = n.why, changed_at = clock_timestamp(),
                due = clock_timestamp() + make_interval(secs => n.again_in)
           from unnest($1::uuid[], $2::text[], $3::integer[], $4::text[], $5::float8[])
                as n(event_id, state, tries, why, again_in)
          where m.event_id = n.event_id",
    )
    .bind(steps.iter().map(|(event_id, _)| *event_id).collect::<Vec<_>>())
    .bind(steps.iter().map(|(_, step)| step.progress.state.name()).collect::<Vec<_>>())
    .bind(steps.iter().map(|(_, step)| tries(step.progress)).collect::<Vec<_>>())
    .bind(steps.iter().map(|(_, step)| step.why.as_deref()).collect::<Vec<_>>())
    .bind(steps.iter().map(|(_, step)| step.again_in.map(|delay| delay.as_secs_f64())).collect::<Vec<_>>())
    .execute(db)
    .await
    .map(|_| ())
}

fn tries(progress: Progress) -> i32 {
    i32::try_from(progress.tries).unwrap_or(i32::MAX)
}
