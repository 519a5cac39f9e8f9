//! What is to be asked for later, in its table.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::policies::Timer;
use sqlx::{PgConnection, PgPool};

use crate::dispatches::{self, COLUMNS, LedBy, json};

/// What a batch of events does to the timers of a policy: each is set or forgotten once, by whoever came last.
#[derive(Default)]
pub(crate) struct Changes(BTreeMap<(&'static str, String), Option<(Timer, LedBy)>>);

impl Changes {
    pub(crate) fn set(&mut self, timer: Timer, led_by: LedBy) {
        self.0.insert((timer.name, timer.about.clone()), Some((timer, led_by)));
    }

    pub(crate) fn forget(&mut self, name: &'static str, about: String) {
        self.0.insert((name, about), None);
    }

    pub(crate) async fn write(&self, db: &mut PgConnection, policy: &str) -> sqlx::Result<()> {
        let gone: Vec<_> = self.0.iter().filter(|(_, set)| set.is_none()).map(|(key, _)| key).collect();
        if !gone.is_empty() {
            // Each found by its key, and not all timers of the policy looked through for some.
            sqlx::query(
                "delete from react.timers where ctid = any(array(
                     select t.ctid from unnest($2::text[], $3::text[]) as g(name, about),
                            lateral (select ctid from react.timers
                                      where policy = $1 and name = g.name and about = g.about limit 1) t))",
            )
            .bind(policy)
            .bind(gone.iter().map(|(name, _)| *name).collect::<Vec<_>>())
            .bind(gone.iter().map(|(_, about)| about.as_str()).collect::<Vec<_>>())
            .execute(&mut *db)
            .await?;
        }
        let set: Vec<_> = self.0.values().flatten().collect();
        if set.is_empty() {
            return Ok(());
        }
        let (types, ids): (Vec<_>, Vec<_>) = set.iter().map(|(timer, _)| timer.dispatch.target()).unzip();
        sqlx::query(
            "insert into react.timers as t (policy, name, about, why, due, context, position, ordinal, event_id, cause,
                                            target_type, target_id, dispatch)
             select $1, name, about, why, due, context, position, ordinal, event_id, cause::json, target_type,
                    target_id, dispatch::json
               from unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::bigint[],
                           $8::integer[], $9::uuid[], $10::text[], $11::text[], $12::text[], $13::text[])
                    as n(name, about, why, due, context, position, ordinal, event_id, cause, target_type, target_id,
                         dispatch)
             on conflict (policy, name, about) do update set
                (why, due, context, position, ordinal, event_id, cause, target_type, target_id, dispatch) =
                (excluded.why, excluded.due, excluded.context, excluded.position, excluded.ordinal, excluded.event_id,
                 excluded.cause, excluded.target_type, excluded.target_id, excluded.dispatch)",
        )
        .bind(policy)
        .bind(set.iter().map(|(timer, _)| timer.name).collect::<Vec<_>>())
        .bind(set.iter().map(|(timer, _)| timer.about.as_str()).collect::<Vec<_>>())
        .bind(set.iter().map(|(timer, _)| timer.why).collect::<Vec<_>>())
        .bind(set.iter().map(|(timer, _)| timer.due.utc()).collect::<Vec<_>>())
        .bind(set.iter().map(|(_, led_by)| led_by.context.name()).collect::<Vec<_>>())
        .bind(set.iter().map(|(_, led_by)| led_by.position.get()).collect::<Vec<_>>())
        .bind(set.iter().map(|(_, led_by)| led_by.ordinal).collect::<Vec<_>>())
        .bind(set.iter().map(|(_, led_by)| led_by.event_id).collect::<Vec<_>>())
        .bind(set.iter().map(|(_, led_by)| json(&led_by.cause)).collect::<Result<Vec<_>, _>>()?)
        .bind(types)
        .bind(ids)
        .bind(set.iter().map(|(timer, _)| json(&timer.dispatch)).collect::<Result<Vec<_>, _>>()?)
        .execute(db)
        .await?;
        Ok(())
    }
}

/// What the agenda of a policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Agenda {
    /// The time of the database.
    pub(crate) now: DateTime<Utc>,
    /// When the next timer is due.
    pub(crate) next: Option<DateTime<Utc>>,
    /// How often a person has settled what was parked.
    pub(crate) settled: i64,
}

/// Looks what is next.
pub(crate) async fn agenda(pool: &PgPool, policy: &str) -> sqlx::Result<Agenda> {
    let sql = "select clock_timestamp() as now, (select min(due) from react.timers where policy = $1) as next, settled
                 from react.lanes";
    sqlx::query_as(sql).bind(policy).fetch_one(pool).await
}

/// Turns timers that were due by then into commands that are to be sent now, at most so many.
pub(crate) async fn fire(
    db: &mut PgConnection,
    policy: &str,
    by: DateTime<Utc>,
    max: i64,
) -> sqlx::Result<Vec<dispatches::Row>> {
    let sql = format!(
        "with due as (
             delete from react.timers
              where ctid = any(array(select ctid from react.timers where policy = $1 and due <= $2
                                      order by due limit $3 for update skip locked))
             returning *)
         insert into react.dispatches
                (policy, context, position, ordinal, event_id, cause, target_type, target_id, dispatch)
         select policy, context, position, ordinal, event_id, cause, target_type, target_id, dispatch
           from due order by due, context, position, ordinal
         returning {COLUMNS}"
    );
    let rows = sqlx::query(&sql).bind(policy).bind(by).bind(max).fetch_all(db).await?;
    rows.iter().map(dispatches::row).collect()
}
