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
use platform::clock;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::{Effects, Kind};
use crate::dispatches::{self, LedBy, Noted, json};
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
    /// What was noted as begun, and is to be asked for as soon as that is committed.
    noted: Vec<Row>,
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

/// Notes what is asked of the provider, in the transaction of the checkpoint. What was noted before is left out.
async fn note(db: &mut PgConnection, policy: &str, rows: Vec<Row>) -> sqlx::Result<Vec<Row>> {
    let inserted: HashSet<Uuid> = sqlx::query_scalar(
        "insert into react.effects (operation, policy, context, position, event_id, cause, request, effect, due)
         select operation, $1, context, position, event_id, cause::json, request::json, effect::json, clock_timestamp()
           from unnest($2::uuid[], $3::text[], $4::bigint[], $5::uuid[], $6::text[], $7::text[], $8::text[])
                as n(operation, context, position, event_id, cause, request, effect)
             on conflict do nothing
         returning operation",
    )
    .bind(policy)
    .bind(rows.iter().map(|row| row.request.operation.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.led_by.context.name()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.led_by.position.get()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.led_by.event_id).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| json(&row.led_by.cause)).collect::<Result<Vec<_>, _>>()?)
    .bind(rows.iter().map(|row| json(&row.request)).collect::<Result<Vec<_>, _>>()?)
    .bind(rows.iter().map(|row| json(&row.effect)).collect::<Result<Vec<_>, _>>()?)
    .fetch_all(db)
    .await?
    .into_iter()
    .collect();
    Ok(rows.into_iter().filter(|row| inserted.contains(&row.request.operation.0)).collect())
}

impl Calls {
    fn new(provider: Arc<dyn PaymentProvider>) -> Self {
        let (calls, noted, answers, busy) = (JoinSet::new(), Vec::new(), Vec::new(), HashSet::new());
        Self { provider, calls, noted, answers, busy, look_at: Instant::now() }
    }

    /// How many more calls may be under way.
    fn free(&self) -> usize {
        CALLS_MAX.saturating_sub(self.calls.len() + self.noted.len())
    }

    fn call(&mut self, row: Row, performs: bool) {
        self.busy.insert(row.request.operation.0);
        self.calls.spawn(call(self.provider.clone(), row, performs));
    }
}

#[async_trait]
impl Effects for Calls {
    fn asks(&self, event: &Recorded<Event>) -> bool {
        Request::of(event).is_some()
    }

    fn is_urgent(&self) -> bool {
        true
    }

    /// What can be asked for at once is noted as begun, so that it need not be written again before.
    async fn note(&mut self, db: &mut PgConnection, policy: &str, events: &[Arc<Recorded<Event>>]) -> sqlx::Result<()> {
        let mut free = self.free();
        let row = |event: &Arc<Recorded<Event>>| {
            let request = Request::of(event)?;
            let (context, position, event_id) = (event.data.context(), event.position, event.event_id);
            let led_by = LedBy { context, position, ordinal: 0, event_id, cause: event.cause.clone() };
            let effect = Effect::new(request.kind);
            let effect = if free > 0 { effect.begun() } else { effect };
            free = free.saturating_sub(1);
            Some(Row { request, effect, led_by, recorded: 0 })
        };
        let rows = note(db, policy, events.iter().filter_map(row).collect()).await?;
        let (begun, waiting): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.effect.attempts > 0);
        self.noted.extend(begun);
        if !waiting.is_empty() {
            self.look_at = Instant::now();
        }
        Ok(())
    }

    fn look_at(&self) -> Instant {
        // Whatever is due waits for an answer then, and that is heard of.
        if self.free() == 0 { Instant::now() + LOOK_EVERY } else { self.look_at }
    }

    /// Asks the provider for what is due. What is to be performed is stored as begun before: after a crash, nobody then
    /// takes a request that may have arrived for one that was never sent.
    async fn begin(&mut self, pool: &PgPool, policy: &str, term: Term) -> Result<(), Stopped> {
        if !self.noted.is_empty() {
            platform::faults::pass("effect.begun");
        }
        for row in std::mem::take(&mut self.noted) {
            self.call(row, true);
        }
        let free = self.free();
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
        performed.into_iter().for_each(|row| self.call(row, true));
        looked_up.into_iter().for_each(|row| self.call(row, false));
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
    async fn settle(
        &mut self,
        pool: &PgPool,
        policy: &'static str,
        term: Term,
    ) -> Result<Vec<dispatches::Row>, Stopped> {
        let answers = std::mem::take(&mut self.answers);
        if answers.is_empty() {
            return Ok(vec![]);
        }
        platform::faults::pass("effect.answered");
        let (now, pace) = (clock::now(), Pace::default());
        let (mut settled, mut notes) = (Vec::new(), Vec::new());
        for (Row { request, effect, led_by, recorded }, came) in answers {
            let step = match came {
                Came::Performed(came) => effect.performed(came, now, pace),
                Came::LookedUp(came) => effect.looked_up(came, now, pace),
            };
            let wait = match step.next {
                payments::Next::PerformAt(at) | payments::Next::LookUpAt(at) => {
                    Some((at.utc() - now.utc()).to_std().unwrap_or_default())
                }
                payments::Next::Done => None,
            };
            if let Some(wait) = wait {
                self.look_at = self.look_at.min(Instant::now() + wait);
            }
            let (payment, operation) = (request.payment, request.operation);
            self.busy.remove(&operation.0);
            settled.push(Settled {
                operation: operation.0,
                effect: json(&step.effect)?,
                wait,
                records: step.record.is_some(),
            });
            notes.extend(step.record.map(|outcome| {
                let ask = PaymentCommand::Record { operation, outcome };
                Noted::new(LedBy { ordinal: recorded, ..led_by }, Dispatch::Payment { payment, ask })
            }));
        }
        if CALLS_MAX == self.calls.len() + settled.len() {
            // Others may have waited for their turn.
            self.look_at = Instant::now();
        }
        let numbers = store_settled(pool, policy, term, &settled, &notes.iter().collect::<Vec<_>>()).await?;
        let rows =
            numbers.into_iter().zip(notes).map(|(number, noted)| dispatches::Row { number, noted, parked: false });
        Ok(rows.collect())
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

/// What came of an operation.
struct Settled {
    operation: Uuid,
    /// As it is now.
    effect: String,
    /// How long until it is due again.
    wait: Option<Duration>,
    /// Whether a command records it.
    records: bool,
}

/// Stores what came and the commands that record it, in one statement. Gives the numbers of these.
async fn store_settled(
    pool: &PgPool,
    policy: &str,
    term: Term,
    settled: &[Settled],
    notes: &[&Noted],
) -> Result<Vec<i64>, Stopped> {
    let insert = dispatches::insert_sql(7, "exists (select from led)");
    let sql = format!(
        "with led as (select from react.leaders where policy = $1 and term = $2 for share),
              settled as (
                  update react.effects e
                     set effect = n.effect::json, due = clock_timestamp() + make_interval(secs => n.wait),
                         recorded = e.recorded + n.records::integer
                    from unnest($3::uuid[], $4::text[], $5::float8[], $6::boolean[])
                         as n(operation, effect, wait, records)
                   where e.operation = n.operation and exists (select from led)),
              noted as ({insert})
         select exists (select from led), array(select number from noted order by number)"
    );
    let query = sqlx::query(&sql)
        .bind(policy)
        .bind(term.number())
        .bind(settled.iter().map(|one| one.operation).collect::<Vec<_>>())
        .bind(settled.iter().map(|one| one.effect.as_str()).collect::<Vec<_>>())
        .bind(settled.iter().map(|one| one.wait.map(|wait| wait.as_secs_f64())).collect::<Vec<_>>())
        .bind(settled.iter().map(|one| one.records).collect::<Vec<_>>());
    let row = dispatches::Columns::of(notes)?.bind(query).fetch_one(pool).await?;
    if row.try_get(0)? { Ok(row.try_get(1)?) } else { Err(Stopped::Lost) }
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
