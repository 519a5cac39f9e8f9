//! What was asked of a payment's provider, and how far each of it has come.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use envelope::Timestamp;
use event_schemas::ids::{OperationId, PaymentId};
use platform::caller::Caller;
use platform::http::{Page, PageRequest, Params, Path, Path2};
use platform::problem::Problem;
use platform::token::ConsistencyToken;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{READS, ShownMoney};
use crate::app::{Api, failed};
use crate::fresh::fresh;

const PAYMENT_OPERATIONS: &str = "payment_operations";

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(operations)).routes(routes!(operation))
}

/// An operation of a payment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaymentOperation)]
struct Operation {
    /// Of which payment.
    payment: Uuid,
    /// Which one.
    operation: Uuid,
    /// What it does: `authorize`, `capture`, `void` or `refund`.
    #[schema(example = "authorize")]
    kind: String,
    /// With how much.
    amount: ShownMoney,
    /// How far it has come: `deferred`, `dropped`, `requested`, `pending`, `unknown`, `succeeded` or `failed`.
    ///
    /// `deferred` is a void that waits for the authorization, `dropped` one that had nothing to void. `unknown` means
    /// that the provider was asked and did not answer: it may have happened or not, and the provider is asked again.
    #[schema(example = "pending")]
    state: String,
    /// What it waits for or why it failed, for programs.
    #[schema(example = "action_required")]
    code: Option<String>,
    /// The same for people.
    reason: Option<String>,
    /// Where the payer goes on, if something is required of them.
    action_url: Option<String>,
    /// What the provider calls it.
    reference: Option<String>,
    /// The version of the payment that changed it last.
    #[schema(example = 2)]
    version: i64,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    requested_at: Timestamp,
    /// When it succeeded, failed or was dropped.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

/// An operation as it stands in its row.
struct OperationRow {
    payment: Uuid,
    operation: Uuid,
    kind: String,
    amount_minor: i64,
    currency: String,
    state: String,
    code: Option<String>,
    reason: Option<String>,
    action_url: Option<String>,
    reference: Option<String>,
    version: i64,
    requested_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

impl From<OperationRow> for Operation {
    fn from(row: OperationRow) -> Self {
        Self {
            payment: row.payment,
            operation: row.operation,
            kind: row.kind,
            amount: ShownMoney { amount_minor: row.amount_minor, currency: row.currency },
            state: row.state,
            code: row.code,
            reason: row.reason,
            action_url: row.action_url,
            reference: row.reference,
            version: row.version,
            requested_at: Timestamp::new(row.requested_at),
            ended_at: row.ended_at.map(Timestamp::new),
        }
    }
}

/// List the operations of a payment.
///
/// The list is empty for a payment that is not known here.
#[utoipa::path(
    get, path = "/v1/payments/{payment}/operations", tag = "payments", operation_id = "listPaymentOperations",
    params(("payment" = Uuid, Path, description = "Of which.", example = "018f4e7a-0000-7000-8000-000000000005"),
           ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "A page; `Link` leads to the next.", headers(("Link")),
               body = Page<Operation>,
               example = json!({"data": [{"payment": "018f4e7a-0000-7000-8000-000000000005",
                   "operation": "018f4e7a-0000-7000-8000-000000000006", "kind": "authorize",
                   "amount": {"amount_minor": 1177, "currency": "USD"}, "state": "pending",
                   "code": "action_required", "reason": null,
                   "action_url": "https://pay.example.org/confirm/6", "reference": null, "version": 2,
                   "requested_at": "2026-11-21T09:00:00.000000Z", "ended_at": null}],
                   "next_cursor": null, "has_more": false})),
              Problem)
)]
async fn operations(
    State(app): State<Api>,
    _: Caller,
    Path(payment): Path<PaymentId>,
    token: ConsistencyToken,
    mut params: Params,
) -> Result<Response, Problem> {
    let page = PageRequest::<Uuid>::read(&mut params, &app.tokens)?;
    let fresh = fresh(&app, PAYMENT_OPERATIONS, READS, &token).await?;
    let rows = sqlx::query_as!(
        OperationRow,
        r#"select payment as "payment!", operation as "operation!", kind as "kind!",
                  amount_minor as "amount_minor!", currency as "currency!", state as "state!", code, reason,
                  action_url, reference, version as "version!", requested_at as "requested_at!", ended_at
             from read.payment_operations
            where payment = $1 and operation > coalesce($2, '00000000-0000-0000-0000-000000000000'::uuid)
            order by operation limit $3"#,
        payment.0,
        page.after().copied(),
        page.rows(),
    )
    .map(Operation::from)
    .fetch_all(&app.views)
    .await
    .map_err(failed)?;
    Ok(fresh.answer(page.page(&app.tokens, rows, |last| last.operation)))
}

/// Show an operation of a payment.
#[utoipa::path(
    get, path = "/v1/payments/{payment}/operations/{operation}", tag = "payments",
    operation_id = "getPaymentOperation",
    params(("payment" = Uuid, Path, description = "Of which.", example = "018f4e7a-0000-7000-8000-000000000005"),
           ("operation" = Uuid, Path, description = "Which one.", example = "018f4e7a-0000-7000-8000-000000000006"),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "The operation.", body = Operation,
               example = json!({"payment": "018f4e7a-0000-7000-8000-000000000005",
                   "operation": "018f4e7a-0000-7000-8000-000000000007", "kind": "refund",
                   "amount": {"amount_minor": 177, "currency": "USD"}, "state": "succeeded",
                   "code": null, "reason": null, "action_url": null, "reference": "sim_018f4e7a", "version": 6,
                   "requested_at": "2026-11-21T09:00:00.000000Z", "ended_at": "2026-11-21T09:00:01.000000Z"})),
              Problem)
)]
async fn operation(
    State(app): State<Api>,
    _: Caller,
    Path2(payment, operation): Path2<PaymentId, OperationId>,
    token: ConsistencyToken,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let fresh = fresh(&app, PAYMENT_OPERATIONS, READS, &token).await?;
    let row = sqlx::query_as!(
        OperationRow,
        r#"select payment as "payment!", operation as "operation!", kind as "kind!",
                  amount_minor as "amount_minor!", currency as "currency!", state as "state!", code, reason,
                  action_url, reference, version as "version!", requested_at as "requested_at!", ended_at
             from read.payment_operations where payment = $1 and operation = $2"#,
        payment.0,
        operation.0,
    )
    .map(Operation::from)
    .fetch_optional(&app.views)
    .await
    .map_err(failed)?;
    let Some(row) = row else {
        let detail = format!(
            "payment {payment} has no operation {operation}, or not yet: \
             send the Consistency-Token of what asked for it"
        );
        return Ok(fresh.answer(Problem::not_found("payment-operation-not-found", detail)));
    };
    Ok(fresh.answer(Json(row)))
}
