//! The simulator's books: what it was asked, and each movement of money. One transaction for each call.

use event_schemas::Money;
use event_schemas::ids::{OperationId, PaymentId};
use event_schemas::payments::OperationKind;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Postgres, Row as _, Transaction};

use crate::payments::{Answer, Request};

/// The columns of an operation, as `Entry::read` names them. What was asked for while the clock stood ahead has waited
/// since.
const COLUMNS: &str = "operation, kind, payment, amount_minor, currency, method, authorized_by, calls, state, code,
    reason, action_url, confirmed_at is not null as confirmed,
    (abs(extract(epoch from clock_timestamp() - asked_at)) * 1000)::bigint as waited_ms";

/// Why an operation cannot be, in the words of a provider.
pub(super) type Refusal = (&'static str, &'static str);

/// How far an operation has come here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Unseen,
    Pending,
    Succeeded,
    Failed,
}

/// An operation as it stands in the books.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) request: Request,
    /// How often it was asked for, this time too.
    pub(super) calls: i64,
    pub(super) state: State,
    pub(super) code: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) action_url: Option<String>,
    pub(super) confirmed: bool,
    /// Since when it is pending, in milliseconds.
    pub(super) waited_ms: i64,
}

impl Entry {
    fn read(row: &PgRow) -> sqlx::Result<Self> {
        let text = |column: &str| row.try_get::<String, _>(column);
        let kind = match text("kind")?.as_str() {
            "authorize" => OperationKind::Authorize,
            "capture" => OperationKind::Capture,
            "void" => OperationKind::Void,
            _ => OperationKind::Refund,
        };
        let state = match text("state")?.as_str() {
            "unseen" => State::Unseen,
            "pending" => State::Pending,
            "succeeded" => State::Succeeded,
            _ => State::Failed,
        };
        let currency = text("currency")?.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        Ok(Self {
            request: Request {
                operation: OperationId(row.try_get("operation")?),
                kind,
                payment: PaymentId(row.try_get("payment")?),
                amount: Money { amount_minor: row.try_get("amount_minor")?, currency },
                method: text("method")?,
                authorization: row.try_get("authorized_by")?,
            },
            calls: row.try_get("calls")?,
            state,
            code: row.try_get("code")?,
            reason: row.try_get("reason")?,
            action_url: row.try_get("action_url")?,
            confirmed: row.try_get("confirmed")?,
            waited_ms: row.try_get("waited_ms")?,
        })
    }

    /// What the provider says of it.
    pub(super) fn answer(self) -> Answer {
        let code = self.code.unwrap_or_default();
        match self.state {
            State::Unseen | State::Pending => Answer::Pending { reason: code, action_url: self.action_url },
            State::Succeeded => Answer::Succeeded { reference: Some(reference(self.request.operation)) },
            State::Failed => Answer::Failed { code, reason: self.reason.unwrap_or_default() },
        }
    }
}

/// What the simulator calls an operation.
fn reference(operation: OperationId) -> String {
    format!("sim_{}", operation.0.simple())
}

/// Which operation the simulator calls so.
fn named(reference: &str) -> Option<OperationId> {
    reference.strip_prefix("sim_")?.parse().ok()
}

/// The books, open for one call. What was written is dropped unless they are closed.
pub(super) struct Books(Transaction<'static, Postgres>);

impl Books {
    pub(super) async fn open(pool: &PgPool) -> sqlx::Result<Self> {
        pool.begin().await.map(Self)
    }

    pub(super) async fn close(self) -> sqlx::Result<()> {
        self.0.commit().await
    }

    /// Counts a call, and finds what was asked for under this key first. Who asks at the same time waits.
    pub(super) async fn called(&mut self, request: &Request) -> sqlx::Result<Entry> {
        let sql = format!(
            "insert into sim_payments.operations as t
                (operation, kind, payment, amount_minor, currency, method, authorized_by, calls)
             values ($1, $2, $3, $4, $5, $6, $7, 1)
             on conflict (operation) do update set calls = t.calls + 1
             returning {COLUMNS}"
        );
        let row = sqlx::query(&sql)
            .bind(request.operation.0)
            .bind(request.kind.name())
            .bind(request.payment.0)
            .bind(request.amount.amount_minor)
            .bind(request.amount.currency.code())
            .bind(&request.method)
            .bind(&request.authorization)
            .fetch_one(&mut *self.0)
            .await?;
        Entry::read(&row)
    }

    /// What stands there of an operation. Who asks at the same time waits.
    pub(super) async fn find(&mut self, operation: OperationId) -> sqlx::Result<Option<Entry>> {
        let sql = format!("select {COLUMNS} from sim_payments.operations where operation = $1 for update");
        let row = sqlx::query(&sql).bind(operation.0).fetch_optional(&mut *self.0).await?;
        row.as_ref().map(Entry::read).transpose()
    }

    /// What stands against an operation, if anything: there must be a promise, and enough of it left.
    pub(super) async fn against(&mut self, request: &Request) -> sqlx::Result<Option<Refusal>> {
        if request.kind == OperationKind::Authorize {
            return Ok(None);
        }
        let promise = match request.authorization.as_deref().and_then(named) {
            Some(authorization) => self.find(authorization).await?,
            None => None,
        };
        let Some(promise) = promise.filter(|found| {
            found.state == State::Succeeded
                && found.request.kind == OperationKind::Authorize
                && found.request.payment == request.payment
        }) else {
            return Ok(Some(("no_such_authorization", "There is no such authorization, or it has not succeeded.")));
        };
        if promise.request.amount.currency != request.amount.currency {
            return Ok(Some(("currency_mismatch", "The authorization is in another currency.")));
        }
        let taken = self.sums(request.authorization.as_deref().unwrap_or_default()).await?;
        let (promised, wanted) = (promise.request.amount.amount_minor, request.amount.amount_minor);
        Ok(match request.kind {
            OperationKind::Authorize => None,
            OperationKind::Capture | OperationKind::Void if taken.voided => {
                Some(("authorization_voided", "The authorization was voided."))
            }
            OperationKind::Void if taken.taken_minor > 0 => Some(("already_captured", "Money of it was captured.")),
            OperationKind::Capture if wanted > promised.saturating_sub(taken.taken_minor) => {
                Some(("amount_too_large", "More than was authorized."))
            }
            OperationKind::Refund if wanted > taken.captured_minor.saturating_sub(taken.refunded_minor) => {
                Some(("amount_too_large", "More than was captured."))
            }
            OperationKind::Capture | OperationKind::Void | OperationKind::Refund => None,
        })
    }

    /// What was taken of an authorization, or may still be.
    async fn sums(&mut self, authorization: &str) -> sqlx::Result<Taken> {
        let sql = "with held as (select * from sim_payments.operations
                                  where authorized_by = $1 and state in ('pending', 'succeeded'))
                   select coalesce(sum(amount_minor) filter (where kind = 'capture'), 0)::bigint,
                          coalesce(sum(amount_minor) filter (where kind = 'capture' and state = 'succeeded'),
                                   0)::bigint,
                          coalesce(sum(amount_minor) filter (where kind = 'refund'), 0)::bigint,
                          coalesce(bool_or(kind = 'void'), false)
                     from held";
        let (taken_minor, captured_minor, refunded_minor, voided) =
            sqlx::query_as(sql).bind(authorization).fetch_one(&mut *self.0).await?;
        Ok(Taken { taken_minor, captured_minor, refunded_minor, voided })
    }

    /// It takes a while from now on.
    pub(super) async fn wait(
        &mut self,
        operation: OperationId,
        code: &str,
        action_url: Option<&str>,
    ) -> sqlx::Result<()> {
        let sql = "update sim_payments.operations
                      set state = 'pending', code = $2, action_url = $3, asked_at = clock_timestamp()
                    where operation = $1";
        sqlx::query(sql).bind(operation.0).bind(code).bind(action_url).execute(&mut *self.0).await?;
        Ok(())
    }

    /// It is not done.
    pub(super) async fn fail(&mut self, operation: OperationId, code: &str, reason: &str) -> sqlx::Result<()> {
        let sql = "update sim_payments.operations set state = 'failed', code = $2, reason = $3 where operation = $1";
        sqlx::query(sql).bind(operation.0).bind(code).bind(reason).execute(&mut *self.0).await?;
        Ok(())
    }

    /// Money moves.
    pub(super) async fn succeed(&mut self, request: &Request) -> sqlx::Result<()> {
        sqlx::query("update sim_payments.operations set state = 'succeeded' where operation = $1")
            .bind(request.operation.0)
            .execute(&mut *self.0)
            .await?;
        sqlx::query(
            "insert into sim_payments.journal (operation, kind, payment, amount_minor, currency)
             values ($1, $2, $3, $4, $5)",
        )
        .bind(request.operation.0)
        .bind(request.kind.name())
        .bind(request.payment.0)
        .bind(request.amount.amount_minor)
        .bind(request.amount.currency.code())
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// The payer has done what was waited for.
    pub(super) async fn confirm(&mut self, operation: OperationId) -> sqlx::Result<()> {
        let sql = "update sim_payments.operations set confirmed_at = coalesce(confirmed_at, clock_timestamp())
                    where operation = $1";
        sqlx::query(sql).bind(operation.0).execute(&mut *self.0).await?;
        Ok(())
    }
}

/// What was taken of an authorization.
struct Taken {
    /// Captured, or being captured.
    taken_minor: i64,
    captured_minor: i64,
    refunded_minor: i64,
    voided: bool,
}
