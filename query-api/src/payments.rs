//! Payments as they are shown: what was promised, taken and given back.

mod operations;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use envelope::Timestamp;
use event_schemas::Context;
use event_schemas::ids::{AccountId, OrderId, PaymentId};
use platform::caller::Caller;
use platform::http::{IfNoneMatch, Page, PageRequest, Params, Path};
use platform::problem::{Explanation, Problem};
use platform::token::ConsistencyToken;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::{Api, failed, state_filter, tagged};
use crate::fresh::fresh;

const PAYMENTS: &str = "payments";
const READS: &[Context] = &[Context::Payments];
const STATES: [&str; 10] = [
    "pending",
    "requires_action",
    "unknown",
    "failed",
    "authorized",
    "voided",
    "partially_captured",
    "captured",
    "partially_refunded",
    "refunded",
];

/// What may be wrong with a question about payments.
pub(crate) const PROBLEMS: &[Explanation] = &[
    Explanation::new(
        "payment-not-found",
        404,
        "There is no such payment, or not yet: send the Consistency-Token of what asked for it.",
    ),
    Explanation::new(
        "payment-operation-not-found",
        404,
        "The payment has no such operation, or not yet: send the Consistency-Token of what asked for it.",
    ),
];

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(payments)).routes(routes!(payment)).merge(operations::routes())
}

/// A payment.
#[derive(Debug, Serialize, ToSchema)]
struct Payment {
    /// Which one.
    payment: Uuid,
    /// What is paid.
    order: Uuid,
    /// Who pays.
    payer: Uuid,
    /// How far it has come: `pending`, `requires_action`, `unknown`, `failed`, `authorized`, `voided`,
    /// `partially_captured`, `captured`, `partially_refunded` or `refunded`.
    #[schema(example = "captured")]
    state: String,
    /// How much was to be authorized.
    amount: ShownMoney,
    /// How much was promised, in minor units.
    #[schema(example = 1177)]
    authorized_minor: i64,
    /// How much of it was taken, in minor units.
    #[schema(example = 1177)]
    captured_minor: i64,
    /// How much of that was given back, in minor units.
    #[schema(example = 0)]
    refunded_minor: i64,
    /// By what it is paid: the provider's token.
    #[schema(example = "pm_sim_ok")]
    method: String,
    /// Why its newest operation that failed did, if one did.
    failure: Option<Failure>,
    /// The number of its newest event.
    #[schema(example = 4)]
    version: i64,
    /// Since when it is known.
    #[schema(value_type = String, format = DateTime)]
    requested_at: Timestamp,
    /// When it changed last.
    #[schema(value_type = String, format = DateTime)]
    changed_at: Timestamp,
}

/// An amount, in whole minor units.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaymentAmount)]
struct ShownMoney {
    /// In the currency's smallest unit: 1177 is 11.77 USD.
    #[schema(example = 1177)]
    amount_minor: i64,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: String,
}

/// Why an operation failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaymentFailure)]
struct Failure {
    /// For programs.
    #[schema(example = "card_declined")]
    code: String,
    /// For people.
    #[schema(example = "The card was declined.")]
    reason: String,
}

/// A payment as it stands in its row.
struct PaymentRow {
    payment: Uuid,
    order_id: Uuid,
    payer: Uuid,
    state: String,
    amount_minor: i64,
    currency: String,
    authorized_minor: i64,
    captured_minor: i64,
    refunded_minor: i64,
    method: String,
    failure_code: Option<String>,
    failure_reason: Option<String>,
    version: i64,
    requested_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
}

impl From<PaymentRow> for Payment {
    fn from(row: PaymentRow) -> Self {
        let failure = row.failure_code.zip(row.failure_reason);
        Self {
            payment: row.payment,
            order: row.order_id,
            payer: row.payer,
            state: row.state,
            amount: ShownMoney { amount_minor: row.amount_minor, currency: row.currency },
            authorized_minor: row.authorized_minor,
            captured_minor: row.captured_minor,
            refunded_minor: row.refunded_minor,
            method: row.method,
            failure: failure.map(|(code, reason)| Failure { code, reason }),
            version: row.version,
            requested_at: Timestamp::new(row.requested_at),
            changed_at: Timestamp::new(row.changed_at),
        }
    }
}

/// List payments.
#[utoipa::path(
    get, path = "/v1/payments", tag = "payments", operation_id = "listPayments",
    params(("filter[order]" = Option<Uuid>, Query, description = "Only those of this order."),
           ("filter[payer]" = Option<Uuid>, Query, description = "Only this account's."),
           ("filter[state]" = Option<String>, Query, description = "Only those in this state.", example = "captured"),
           ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "A page; `Link` leads to the next.", headers(("Link")),
               body = Page<Payment>,
               example = json!({"data": [{"payment": "018f4e7a-0000-7000-8000-000000000005",
                   "order": "018f4e7a-0000-7000-8000-000000000002", "payer": "018f4e7a-0000-7000-8000-000000000001",
                   "state": "captured", "amount": {"amount_minor": 1177, "currency": "USD"},
                   "authorized_minor": 1177, "captured_minor": 1177, "refunded_minor": 0, "method": "pm_sim_ok",
                   "failure": null, "version": 4, "requested_at": "2026-11-21T09:00:00.000000Z",
                   "changed_at": "2026-11-21T09:05:00.000000Z"}], "next_cursor": null, "has_more": false})),
              Problem)
)]
async fn payments(
    State(app): State<Api>,
    _: Caller,
    token: ConsistencyToken,
    mut params: Params,
) -> Result<Response, Problem> {
    let order: Option<OrderId> = params.take("filter[order]")?;
    let payer: Option<AccountId> = params.take("filter[payer]")?;
    let state = state_filter(&mut params, "a payment", &STATES)?;
    let page = PageRequest::<Uuid>::read(&mut params, &app.tokens)?;
    let fresh = fresh(&app, PAYMENTS, READS, &token).await?;
    let rows = sqlx::query_as!(
        PaymentRow,
        r#"select payment as "payment!", order_id as "order_id!", payer as "payer!", state as "state!",
                  amount_minor as "amount_minor!", currency as "currency!", authorized_minor as "authorized_minor!",
                  captured_minor as "captured_minor!", refunded_minor as "refunded_minor!", method as "method!",
                  failure_code, failure_reason, version as "version!", requested_at as "requested_at!",
                  changed_at as "changed_at!"
             from read.payments
            where payment > coalesce($1, '00000000-0000-0000-0000-000000000000'::uuid)
              and ($2::uuid is null or order_id = $2) and ($3::uuid is null or payer = $3)
              and ($4::text is null or state = $4)
            order by payment limit $5"#,
        page.after().copied(),
        order.map(|order| order.0),
        payer.map(|payer| payer.0),
        state,
        page.rows(),
    )
    .map(Payment::from)
    .fetch_all(&app.views)
    .await
    .map_err(failed)?;
    Ok(fresh.answer(page.page(&app.tokens, rows, |last| last.payment)))
}

/// Show a payment.
#[utoipa::path(
    get, path = "/v1/payments/{payment}", tag = "payments", operation_id = "getPayment",
    params(("payment" = Uuid, Path, description = "Which one.", example = "018f4e7a-0000-7000-8000-000000000005"),
           ("If-None-Match" = Option<String>, Header),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "The payment; `ETag` is its version.", headers(("ETag")), body = Payment,
               example = json!({"payment": "018f4e7a-0000-7000-8000-000000000005",
                   "order": "018f4e7a-0000-7000-8000-000000000002", "payer": "018f4e7a-0000-7000-8000-000000000001",
                   "state": "failed", "amount": {"amount_minor": 1177, "currency": "USD"},
                   "authorized_minor": 0, "captured_minor": 0, "refunded_minor": 0, "method": "pm_sim_declined",
                   "failure": {"code": "card_declined", "reason": "The card was declined."}, "version": 2,
                   "requested_at": "2026-11-21T09:00:00.000000Z", "changed_at": "2026-11-21T09:00:01.000000Z"})),
              (status = 304, description = "You have it.", headers(("ETag"))), Problem)
)]
async fn payment(
    State(app): State<Api>,
    _: Caller,
    Path(payment): Path<PaymentId>,
    token: ConsistencyToken,
    held: IfNoneMatch,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let fresh = fresh(&app, PAYMENTS, READS, &token).await?;
    let row = sqlx::query_as!(
        PaymentRow,
        r#"select payment as "payment!", order_id as "order_id!", payer as "payer!", state as "state!",
                  amount_minor as "amount_minor!", currency as "currency!", authorized_minor as "authorized_minor!",
                  captured_minor as "captured_minor!", refunded_minor as "refunded_minor!", method as "method!",
                  failure_code, failure_reason, version as "version!", requested_at as "requested_at!",
                  changed_at as "changed_at!"
             from read.payments where payment = $1"#,
        payment.0,
    )
    .map(Payment::from)
    .fetch_optional(&app.views)
    .await
    .map_err(failed)?;
    let Some(row) = row else {
        let detail =
            format!("there is no payment {payment}, or not yet: send the Consistency-Token of what asked for it");
        return Ok(fresh.answer(Problem::not_found("payment-not-found", detail)));
    };
    Ok(fresh.answer(tagged(&held, row.version, row)))
}
