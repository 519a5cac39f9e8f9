//! What became of each message, and what a person can do about it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use envelope::Timestamp;
use platform::caller::Caller;
use platform::clock;
use platform::http::{Json, Page, PageRequest, Params, Path, Path2};
use platform::problem::Problem;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{Hooks, away};
use crate::webhooks::parcel::{Packed, message_id};
use crate::webhooks::send::Message;
use crate::webhooks::subscriptions::ACTIVE;
use crate::webhooks::{deliveries, places};

const STATES: [&str; 4] = ["waiting", "parked", "delivered", "skipped"];

pub(super) fn described() -> OpenApiRouter<Hooks> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(test)).routes(routes!(retry)).routes(routes!(skip))
}

/// A message and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
struct Delivery {
    /// Names it in this list.
    #[schema(example = 17)]
    number: i64,
    /// `webhook-id`, the same for every attempt.
    #[schema(example = "msg_018f4e7a00007000800000000000000a")]
    message: String,
    /// What it tells of.
    #[schema(example = "orders.order-placed")]
    event_type: String,
    /// Type and id of what it happened to: within it, one goes after another.
    #[schema(example = "order/018f4e7a-0000-7000-8000-000000000002")]
    lane: String,
    /// `waiting`, `parked` until a person retries or skips it, `delivered`, `skipped`.
    #[schema(example = "delivered")]
    state: String,
    /// How often it was tried.
    attempts: i32,
    /// When it was noted.
    #[schema(value_type = String, format = DateTime)]
    noted_at: Timestamp,
    /// When it is tried next, if nothing before it in its lane waits.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// When it was delivered or skipped.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// What the receiver answered last.
    status: Option<i32>,
    /// Why the last attempt failed.
    error: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    number: i64,
    message: String,
    event_type: String,
    lane: String,
    state: String,
    attempts: i32,
    noted_at: DateTime<Utc>,
    due: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    status: Option<i32>,
    error: Option<String>,
}

impl From<Row> for Delivery {
    fn from(row: Row) -> Self {
        let due = row.due.filter(|_| row.state == "waiting");
        Self {
            number: row.number,
            message: row.message,
            event_type: row.event_type,
            lane: row.lane,
            state: row.state,
            attempts: row.attempts,
            noted_at: Timestamp::new(row.noted_at),
            next_attempt_at: due.map(Timestamp::new),
            ended_at: row.ended_at.map(Timestamp::new),
            status: row.status,
            error: row.error,
        }
    }
}

/// A message that is on its way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookTest)]
struct Sent {
    /// Its `webhook-id`.
    #[schema(example = "msg_018f4e7a00007000800000000000000b")]
    message: String,
}

/// List what became of the messages of a webhook, newest first. What ended is shown for a week.
#[utoipa::path(
    get, path = "/v1/webhooks/{webhook}/deliveries", tag = "webhooks", operation_id = "listWebhookDeliveries",
    params(("webhook" = Uuid, Path, description = "Of which.", example = "018f4e7a-0000-7000-8000-000000000009"),
           ("filter[state]" = Option<String>, Query, description = "Only those in this state.", example = "parked"),
           ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page; `Link` leads to the next.", headers(("Link")),
               body = Page<Delivery>,
               example = json!({"data": [{"number": 17, "message": "msg_018f4e7a00007000800000000000000a",
                   "event_type": "orders.order-placed", "lane": "order/018f4e7a-0000-7000-8000-000000000002",
                   "state": "delivered", "attempts": 1, "noted_at": "2026-11-21T09:00:00.000000Z",
                   "next_attempt_at": null, "ended_at": "2026-11-21T09:00:01.000000Z", "status": 200, "error": null}],
                   "next_cursor": null, "has_more": false})),
              Problem)
)]
async fn list(
    State(hooks): State<Hooks>,
    _: Caller,
    Path(webhook): Path<Uuid>,
    mut params: Params,
) -> Result<Response, Problem> {
    const STATE: &str = "filter[state]";
    let state: Option<String> = params.take(STATE)?;
    if state.as_deref().is_some_and(|state| !STATES.contains(&state)) {
        return Err(Problem::bad_parameter(STATE, format!("a delivery is `{}`", STATES.join("`, `"))));
    }
    let page = PageRequest::<i64>::read(&mut params, &hooks.0.tokens)?;
    hooks.found(webhook).await?;
    let rows: Vec<Row> = sqlx::query_as(
        "select number, message, event_type, lane, state, attempts, noted_at, due, ended_at, status, error
           from react.webhook_deliveries
          where webhook = $1 and ($2::bigint is null or number < $2) and ($3::text is null or state = $3)
          order by number desc limit $4",
    )
    .bind(webhook)
    .bind(page.after().copied())
    .bind(state)
    .bind(page.rows())
    .fetch_all(hooks.pool())
    .await
    .map_err(away)?;
    let rows = rows.into_iter().map(Delivery::from).collect();
    Ok(page.page(&hooks.0.tokens, rows, |last: &Delivery| last.number).into_response())
}

/// Send a test message.
///
/// It is of the type `webhook.test` and is delivered like any other; the list of deliveries says what became of it.
#[utoipa::path(
    post, path = "/v1/webhooks/{webhook}/test", tag = "webhooks", operation_id = "testWebhook",
    params(("webhook" = Uuid, Path, description = "Which one.", example = "018f4e7a-0000-7000-8000-000000000009")),
    responses((status = 202, description = "It is on its way.", body = Sent,
               example = json!({"message": "msg_018f4e7a00007000800000000000000b"})),
              Problem)
)]
async fn test(State(hooks): State<Hooks>, _: Caller, Path(webhook): Path<Uuid>) -> Result<Response, Problem> {
    let row = hooks.found(webhook).await?;
    if row.state != ACTIVE {
        let detail = format!("the webhook is {}, so that nothing is sent; set its state to active first", row.state);
        return Err(Problem::new(StatusCode::CONFLICT, "webhook-not-active", detail));
    }
    let id = message_id(Uuid::now_v7());
    let body = json!({"type": "webhook.test", "timestamp": clock::now(), "data": {"webhook": webhook}}).to_string();
    let message = Message { id: id.clone(), body };
    let packed = Packed { message, event_type: "webhook.test".to_owned(), lane: format!("webhook/{webhook}") };
    let mut connection = hooks.pool().acquire().await.map_err(away)?;
    deliveries::insert(&mut connection, webhook, &[packed]).await.map_err(away)?;
    Ok((StatusCode::ACCEPTED, Json(Sent { message: id })).into_response())
}

/// Send a message again now.
///
/// Of one that is parked the attempts are counted anew; what waits behind it goes on when it is delivered.
#[utoipa::path(
    post, path = "/v1/webhooks/{webhook}/deliveries/{number}/retry", tag = "webhooks",
    operation_id = "retryWebhookDelivery",
    params(("webhook" = Uuid, Path, description = "Of which.", example = "018f4e7a-0000-7000-8000-000000000009"),
           ("number" = i64, Path, description = "Which one.", example = 17)),
    responses((status = 204, description = "It is due now."), Problem)
)]
async fn retry(
    State(hooks): State<Hooks>,
    _: Caller,
    Path2(webhook, number): Path2<Uuid, i64>,
) -> Result<StatusCode, Problem> {
    let sql = "update react.webhook_deliveries set state = 'waiting', due = clock_timestamp(),
                      attempts = case state when 'parked' then 0 else attempts end
                where webhook = $1 and number = $2 and state in ('waiting', 'parked')";
    settle(&hooks, webhook, number, sql).await
}

/// Give a message up; what waits behind it goes on.
#[utoipa::path(
    post, path = "/v1/webhooks/{webhook}/deliveries/{number}/skip", tag = "webhooks",
    operation_id = "skipWebhookDelivery",
    params(("webhook" = Uuid, Path, description = "Of which.", example = "018f4e7a-0000-7000-8000-000000000009"),
           ("number" = i64, Path, description = "Which one.", example = 17)),
    responses((status = 204, description = "It is given up."), Problem)
)]
async fn skip(
    State(hooks): State<Hooks>,
    _: Caller,
    Path2(webhook, number): Path2<Uuid, i64>,
) -> Result<StatusCode, Problem> {
    let sql = "update react.webhook_deliveries set state = 'skipped', ended_at = clock_timestamp(), body = null
                where webhook = $1 and number = $2 and state in ('waiting', 'parked')";
    settle(&hooks, webhook, number, sql).await
}

async fn settle(hooks: &Hooks, webhook: Uuid, number: i64, sql: &str) -> Result<StatusCode, Problem> {
    hooks.found(webhook).await?;
    let settled = sqlx::query(sql).bind(webhook).bind(number).execute(hooks.pool()).await.map_err(away)?;
    if settled.rows_affected() == 1 {
        places::bump(hooks.pool()).await.map_err(away)?;
        return Ok(StatusCode::NO_CONTENT);
    }
    let state: Option<String> =
        sqlx::query_scalar("select state from react.webhook_deliveries where webhook = $1 and number = $2")
            .bind(webhook)
            .bind(number)
            .fetch_optional(hooks.pool())
            .await
            .map_err(away)?;
    match state {
        Some(state) => {
            let detail = format!("the delivery is {state}; nothing is left to be done with it");
            Err(Problem::new(StatusCode::CONFLICT, "delivery-ended", detail))
        }
        None => {
            let detail = format!("the webhook has no delivery {number}, or it ended more than a week ago");
            Err(Problem::not_found("delivery-not-found", detail))
        }
    }
}
