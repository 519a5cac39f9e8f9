//! The ledger of what is asked of a provider outside: one row for each operation.
//!
//! What follows from what a provider says is decided by [`Effect`], which knows no clock and no database; here it is
//! stored before the provider is asked, asked, and stored again with the command that records what came of it. Only the
//! policy's session writes rows, so that commands are noted in one order; calls to the provider go on side by side.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::payments::PaymentCommand;
use domain::policies::{Dispatch, Policy};
use envelope::{Cause, Position, Recorded, Timestamp};
use event_schemas::ids::OperationId;
use event_schemas::{Context, Event};
use futures::FutureExt as _;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::{Effects, Kind};
use crate::dispatches::{self, LedBy, Note, Noted, json};
use crate::payments::{self, Answer, DELAY_MS_MAX, Effect, NoAnswer, Pace, PaymentProvider, Request};
use crate::reading::Stopped;
use crate::term::Term;

/// Events of payments ask a payment provider.
pub(super) const KIND: Kind = Kind {
    policy: Policy { name: "payment_provider", contexts: &[Context::Payments], react: |_| vec![] },
    begin: |engine| Box::new(Calls::new(engine.provider.clone())),
    show_metrics,
};

/// How many calls are under way at once.
const CALLS_MAX: usize = 64;
/// How long the provider may take to answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long nothing at all may happen before the ledger is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Calls to the provider, at work.
struct Calls {
    provider: Arc<dyn PaymentProvider>,
    calls: JoinSet<(Row, Came)>,
    /// Answers that are not stored yet.
    answers: Vec<(Row, Came)>,
    busy: HashSet<Uuid>,
    look_at: Instant,
}

/// A row of the ledger.
struct Row {
    request: Request,
    effect: Effect,
    led_by: LedBy,
    recorded: i32,
}

/// What the provider said.
enum Came {
    Performed(Result<Answer, NoAnswer>),
    LookedUp(Result<Option<Answer>, NoAnswer>),
}

/// Notes what events ask of the provider, in the transaction of the checkpoint.
async fn note(db: &mut PgConnection, policy: &str, events: &[Recorded<Event>]) -> sqlx::Result<()> {
    let asked: Vec<_> = events.iter().filter_map(|event| Some((Request::of(event)?, event))).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let each = |of: fn(&(Request, &Recorded<Event>)) -> sqlx::Result<String>| -> sqlx::Result<Vec<String>> {
        asked.iter().map(of).collect()
    };
    sqlx::query(
        "insert into react.effects (operation, policy, context, position, event_id, cause, request, effect, due)
         select operation, $1, context, position, event_id, cause::json, request::json, effect::json, clock_timestamp()
           from unnest($2::uuid[], $3::text[], $4::bigint[], $5::uuid[], $6::text[], $7::text[], $8::text[])
                as n(operation, context, position, event_id, cause, request, effect)
             on conflict do nothing",
    )
    .bind(policy)
    .bind(asked.iter().map(|(request, _)| request.operation.0).collect::<Vec<_>>())
    .bind(asked.iter().map(|(_, event)| event.data.context().name()).collect::<Vec<_>>())
    .bind(asked.iter().map(|(_, event)| event.position.get()).collect::<Vec<_>>())
    .bind(asked.iter().map(|(_, event)| event.event_id).collect::<Vec<_>>())
    .bind(each(|(_, event)| json(&event.cause))?)
    .bind(each(|(request, _)| json(request))?)
    .bind(each(|(request, _)| json(&Effect::new(request.kind)))?)
    .execute(db)
    .await?;
    Ok(())
}

impl Calls {
    fn new(provider: Arc<dyn PaymentProvider>) -> Self {
        Self { provider, calls: JoinSet::new(), answers: Vec::new(), busy: HashSet::new(), look_at: Instant::now() }
    }
}

#[async_trait]
impl Effects for Calls {
    async fn note(&self, db: &mut PgConnection, policy: &str, events: &[Recorded<Event>]) -> sqlx::Result<()> {
        note(db, policy, events).await
    }

    fn wake(&mut self) {
        self.look_at = Instant::now();
    }

    fn look_at(&self) -> Instant {
        self.look_at
    }

    /// Asks the provider for what is due. What is to be performed is stored as begun before: after a crash, nobody then
    /// takes a request that may have arrived for one that was never sent.
    async fn begin(&mut self, pool: &PgPool, policy: &str, term: Term) -> Result<(), Stopped> {
        let free = CALLS_MAX.saturating_sub(self.calls.len());
        if free == 0 || Instant::now() < self.look_at {
            return Ok(());
        }
        let busy: Vec<Uuid> = self.busy.iter().copied().collect();
        let due = sqlx::query(
            "select operation, context, position, event_id, cause::text, request::text, effect::text, recorded
               from react.effects
              where policy = $1 and not operation = any($2)
                and (due <= clock_timestamp() or due > clock_timestamp() + make_interval(secs => $4))
              order by due limit $3",
        )
        .bind(policy)
        .bind(&busy)
        .bind(i64::try_from(free).unwrap_or(i64::MAX))
        // Nothing is put off for so long: that was noted while the clock was wrong.
        .bind(Duration::from_millis(DELAY_MS_MAX).as_secs_f64() + 1.0);
        let rows: Vec<Row> = due.fetch_all(pool).await?.iter().map(row).collect::<Result<_, _>>()?;
        let more = rows.len() == free;
        let (now, next): (DateTime<Utc>, Option<DateTime<Utc>>) = sqlx::query_as(
            "select clock_timestamp(), min(due) from react.effects where policy = $1 and not operation = any($2)
                and due > clock_timestamp()",
        )
        .bind(policy)
        .bind(&busy)
        .fetch_one(pool)
        .await?;
        let wait = next.and_then(|next| (next - now).to_std().ok()).unwrap_or(LOOK_EVERY).min(LOOK_EVERY);
        self.look_at = Instant::now() + if more { Duration::ZERO } else { wait };
        let performs = |row: &Row| matches!(row.effect.next(Timestamp::new(now)), payments::Next::PerformAt(_));
        let (performed, looked_up): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(performs);
        let performed: Vec<Row> = performed.into_iter().map(|row| Row { effect: row.effect.begun(), ..row }).collect();
        store_begun(pool, term, &performed).await?;
        let calls = performed.into_iter().map(|row| (row, true)).chain(looked_up.into_iter().map(|row| (row, false)));
        for (row, performs) in calls {
            self.busy.insert(row.request.operation.0);
            self.calls.spawn(call(self.provider.clone(), row, performs));
        }
        Ok(())
    }

    async fn answered(&mut self) {
        while self.answers.is_empty() {
            match self.calls.join_next().await {
                Some(answered) => self.answers.extend(answered),
                None => return std::future::pending().await,
            }
        }
        while let Some(answered) = self.calls.try_join_next() {
            self.answers.extend(answered);
        }
    }

    /// Stores what came of the calls, with the commands that record it.
    async fn settle(&mut self, pool: &PgPool, policy: &'static str, term: Term) -> Result<Vec<Noted>, Stopped> {
        let answers = std::mem::take(&mut self.answers);
        if answers.is_empty() {
            return Ok(vec![]);
        }
        platform::faults::pass("effect.answered");
        let mut tx = term.transaction(pool).await?;
        let now: DateTime<Utc> = sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut *tx).await?;
        let (now, pace) = (Timestamp::new(now), Pace::default());
        let (mut settled, mut notes) = (Vec::new(), Vec::new());
        for (Row { request, effect, led_by, recorded }, came) in answers {
            let step = match came {
                Came::Performed(came) => effect.performed(came, now, pace),
                Came::LookedUp(came) => effect.looked_up(came, now, pace),
            };
            let due = match step.next {
                payments::Next::PerformAt(at) | payments::Next::LookUpAt(at) => Some(at.utc()),
                payments::Next::Done => None,
            };
            let (payment, operation) = (request.payment, request.operation);
            settled.push((operation.0, json(&step.effect)?, due, i32::from(step.record.is_some())));
            notes.extend(step.record.map(|outcome| Note {
                led_by: LedBy { ordinal: recorded, ..led_by },
                dispatch: Dispatch::Payment { payment, ask: PaymentCommand::Record { operation, outcome } },
            }));
        }
        store_settled(&mut tx, &settled).await?;
        let noted = dispatches::insert(&mut tx, policy, &notes).await?;
        tx.commit().await?;
        for (operation, ..) in settled {
            self.busy.remove(&operation);
        }
        self.wake();
        Ok(noted)
    }
}

/// Stores that these are begun.
async fn store_begun(pool: &PgPool, term: Term, rows: &[Row]) -> Result<(), Stopped> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut tx = term.transaction(pool).await?;
    sqlx::query(
        "update react.effects e set effect = n.effect::json
           from unnest($1::uuid[], $2::text[]) as n(operation, effect) where e.operation = n.operation",
    )
    .bind(rows.iter().map(|row| row.request.operation.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| json(&row.effect)).collect::<Result<Vec<_>, _>>()?)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    platform::faults::pass("effect.begun");
    Ok(())
}

/// An operation, its effect as it is now, when it is due again, and how many commands record what came of it.
type Settled = (Uuid, String, Option<DateTime<Utc>>, i32);

async fn store_settled(db: &mut PgConnection, settled: &[Settled]) -> sqlx::Result<()> {
    sqlx::query(
        "update react.effects e set effect = n.effect::json, due = n.due, recorded = e.recorded + n.records
           from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::integer[]) as n(operation, effect, due, records)
          where e.operation = n.operation",
    )
    .bind(settled.iter().map(|(operation, ..)| *operation).collect::<Vec<_>>())
    .bind(settled.iter().map(|(_, effect, ..)| effect.as_str()).collect::<Vec<_>>())
    .bind(settled.iter().map(|(_, _, due, _)| *due).collect::<Vec<_>>())
    .bind(settled.iter().map(|(.., records)| *records).collect::<Vec<_>>())
    .execute(db)
    .await
    .map(drop)
}

async fn call(provider: Arc<dyn PaymentProvider>, row: Row, performs: bool) -> (Row, Came) {
    let asked = AssertUnwindSafe(ask(&*provider, &row.request, performs)).catch_unwind().await;
    let came = asked.unwrap_or_else(|_| {
        let operation = row.request.operation;
        tracing::error!(%operation, "A call to the payment provider panicked; what came of it is looked up");
        if performs { Came::Performed(Err(NoAnswer::TimedOut)) } else { Came::LookedUp(Err(NoAnswer::TimedOut)) }
    });
    let (kind, outcome) = (row.request.kind.name(), said(&came));
    calls_total(kind, outcome).increment(1);
    (row, came)
}

async fn ask(provider: &dyn PaymentProvider, request: &Request, performs: bool) -> Came {
    if !performs {
        let came = timeout(ANSWER_WAIT_MAX, provider.look_up(request.operation)).await;
        return Came::LookedUp(came.unwrap_or(Err(NoAnswer::TimedOut)));
    }
    let mut request = request.clone();
    if platform::faults::planted("operation-drawn-anew") {
        request.operation = OperationId::new();
    }
    let came = timeout(ANSWER_WAIT_MAX, provider.perform(&request)).await.unwrap_or(Err(NoAnswer::TimedOut));
    let given_up = came == Err(NoAnswer::TimedOut) && platform::faults::planted("silence-is-failure");
    Came::Performed(if given_up {
        Ok(Answer::Failed { code: "silent".into(), reason: "It did not answer.".into() })
    } else {
        came
    })
}

fn calls_total(kind: &'static str, outcome: &'static str) -> metrics::Counter {
    metrics::counter!("handsel_payment_calls_total", "kind" => kind, "outcome" => outcome)
}

/// Shown from the start.
fn show_metrics() {
    for kind in ["authorize", "capture", "void", "refund"] {
        calls_total(kind, "succeeded").increment(0);
    }
}

fn said(came: &Came) -> &'static str {
    let answer = match came {
        Came::Performed(Err(no)) | Came::LookedUp(Err(no)) => {
            return match no {
                NoAnswer::TimedOut => "timed_out",
                NoAnswer::Unavailable => "unavailable",
            };
        }
        Came::LookedUp(Ok(None)) => return "never_heard_of_it",
        Came::Performed(Ok(answer)) | Came::LookedUp(Ok(Some(answer))) => answer,
    };
    match answer {
        Answer::Succeeded { .. } => "succeeded",
        Answer::Failed { .. } => "failed",
        Answer::Pending { .. } => "pending",
    }
}

fn row(row: &PgRow) -> sqlx::Result<Row> {
    let wrong = |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
    let context: Context = row.try_get::<&str, _>(1)?.parse().map_err(|error| wrong(Box::new(error)))?;
    let cause: Cause = serde_json::from_str(row.try_get(4)?).map_err(|error| wrong(Box::new(error)))?;
    let position = Position(row.try_get(2)?);
    Ok(Row {
        led_by: LedBy { context, position, ordinal: 0, event_id: row.try_get(3)?, cause },
        request: serde_json::from_str(row.try_get(5)?).map_err(|error| wrong(Box::new(error)))?,
        effect: serde_json::from_str(row.try_get(6)?).map_err(|error| wrong(Box::new(error)))?,
        recorded: row.try_get(7)?,
    })
}
