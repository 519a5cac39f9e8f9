//! The ledger of what is asked of a provider outside: one row for each operation.
//!
//! What follows from what a provider says is decided by [`Effect`], which knows no clock and no database; here it is
//! stored before the provider is asked, asked, and stored again with the command that records what came of it. Only the
//! policy's session writes rows, so that commands are noted in one order; calls to the provider go on side by side.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::payments::PaymentCommand;
use domain::policies::{Dispatch, Policy};
use envelope::{Cause, Position, Recorded, Timestamp};
use event_schemas::ids::OperationId;
use event_schemas::{Context, Event};
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
    /// The newest answer, which is not stored yet.
    answer: Option<(Row, Came)>,
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

/// Notes what an event asks of the provider, in the transaction of the checkpoint.
async fn note_one(db: &mut PgConnection, policy: &str, event: &Recorded<Event>) -> sqlx::Result<()> {
    let Some(request) = Request::of(event) else { return Ok(()) };
    sqlx::query(
        "insert into react.effects (operation, policy, context, position, event_id, cause, request, effect, due)
         values ($1, $2, $3, $4, $5, $6::json, $7::json, $8::json, clock_timestamp()) on conflict do nothing",
    )
    .bind(request.operation.0)
    .bind(policy)
    .bind(event.data.context().name())
    .bind(event.position.get())
    .bind(event.event_id)
    .bind(json(&event.cause)?)
    .bind(json(&request)?)
    .bind(json(&Effect::new(request.kind))?)
    .execute(db)
    .await?;
    Ok(())
}

impl Calls {
    fn new(provider: Arc<dyn PaymentProvider>) -> Self {
        Self { provider, calls: JoinSet::new(), answer: None, busy: HashSet::new(), look_at: Instant::now() }
    }
}

#[async_trait]
impl Effects for Calls {
    async fn note(&self, db: &mut PgConnection, policy: &str, events: &[Recorded<Event>]) -> sqlx::Result<()> {
        for event in events {
            note_one(db, policy, event).await?;
        }
        Ok(())
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
        for mut row in rows {
            let operation = row.request.operation.0;
            let performs = matches!(row.effect.next(Timestamp::new(now)), payments::Next::PerformAt(_));
            if performs {
                row.effect = row.effect.begun();
                let sql = "update react.effects set effect = $2::json where operation = $1";
                let mut tx = term.transaction(pool).await?;
                sqlx::query(sql).bind(operation).bind(json(&row.effect)?).execute(&mut *tx).await?;
                tx.commit().await?;
                platform::faults::pass("effect.begun");
            }
            self.busy.insert(operation);
            self.calls.spawn(call(self.provider.clone(), row, performs));
        }
        Ok(())
    }

    async fn answered(&mut self) {
        while self.answer.is_none() {
            match self.calls.join_next().await {
                Some(Ok(answered)) => self.answer = Some(answered),
                // A call that panicked is looked up when its row is due again.
                Some(Err(error)) => tracing::error!(%error, "A call to the payment provider panicked"),
                None => return std::future::pending().await,
            }
        }
    }

    /// Stores what came of a call, with the command that records it.
    async fn settle(&mut self, pool: &PgPool, policy: &'static str, term: Term) -> Result<Vec<Noted>, Stopped> {
        let Some((row, came)) = self.answer.take() else { return Ok(vec![]) };
        platform::faults::pass("effect.answered");
        let Row { request, effect, led_by, recorded } = row;
        let now: DateTime<Utc> = sqlx::query_scalar("select clock_timestamp()").fetch_one(pool).await?;
        let (now, pace) = (Timestamp::new(now), Pace::default());
        let step = match came {
            Came::Performed(came) => effect.performed(came, now, pace),
            Came::LookedUp(came) => effect.looked_up(came, now, pace),
        };
        let due = match step.next {
            payments::Next::PerformAt(at) | payments::Next::LookUpAt(at) => Some(at.utc()),
            payments::Next::Done => None,
        };
        let operation = request.operation;
        let note = step.record.map(|outcome| Note {
            led_by: LedBy { ordinal: recorded, ..led_by },
            dispatch: Dispatch::Payment {
                payment: request.payment,
                ask: PaymentCommand::Record { operation, outcome },
            },
        });
        let mut tx = term.transaction(pool).await?;
        sqlx::query(
            "update react.effects set effect = $2::json, due = $3, recorded = recorded + $4 where operation = $1",
        )
        .bind(operation.0)
        .bind(json(&step.effect)?)
        .bind(due)
        .bind(i32::from(note.is_some()))
        .execute(&mut *tx)
        .await?;
        let noted = dispatches::insert(&mut tx, policy, note.as_slice()).await?;
        tx.commit().await?;
        self.busy.remove(&operation.0);
        self.wake();
        Ok(noted)
    }
}

async fn call(provider: Arc<dyn PaymentProvider>, row: Row, performs: bool) -> (Row, Came) {
    let came = if performs {
        let mut request = row.request.clone();
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
    } else {
        let came = timeout(ANSWER_WAIT_MAX, provider.look_up(row.request.operation)).await;
        Came::LookedUp(came.unwrap_or(Err(NoAnswer::TimedOut)))
    };
    let (kind, outcome) = (row.request.kind.name(), said(&came));
    calls_total(kind, outcome).increment(1);
    (row, came)
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
