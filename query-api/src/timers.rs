//! The agenda: what will be asked for later, why and about what. Of no context, because policies span them.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use envelope::Timestamp;
use platform::caller::Caller;
use platform::http::{Page, PageRequest, Params};
use platform::problem::Problem;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{Api, failed};

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(timers))
}

/// Something that will be asked for later, unless it is forgotten before.
#[derive(Debug, Serialize, ToSchema)]
struct Timer {
    /// Of which policy.
    #[schema(example = "order_fulfilment")]
    policy: String,
    /// Which of its timers.
    #[schema(example = "payment_due")]
    timer: String,
    /// About what: type and id of an aggregate.
    #[schema(example = "order/018f4e7a-0000-7000-8000-000000000002")]
    about: String,
    /// Why it was set.
    #[schema(example = "the order waits for its payment")]
    why: String,
    /// When it fires.
    #[schema(value_type = String, format = DateTime)]
    due: Timestamp,
    /// What is asked for then.
    #[schema(value_type = Object)]
    dispatch: Json<Box<RawValue>>,
}

/// List what fires next.
///
/// What is due already has perhaps been asked for since. It is read as it stands: it waits for no token.
#[utoipa::path(
    get, path = "/v1/timers", tag = "timers", operation_id = "listTimers",
    params(("filter[policy]" = Option<String>, Query, description = "Only of this policy.",
            example = "order_fulfilment"),
           ("filter[about]" = Option<String>, Query, description = "Only about this.",
            example = "order/018f4e7a-0000-7000-8000-000000000002"),
           ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page, soonest first; `Link` leads to the next.", headers(("Link")),
               body = Page<Timer>,
               example = json!({"data": [{"policy": "order_fulfilment", "timer": "payment_due",
                   "about": "order/018f4e7a-0000-7000-8000-000000000002", "why": "the order waits for its payment",
                   "due": "2026-11-21T09:30:00.000000Z",
                   "dispatch": {"order": {"order": "018f4e7a-0000-7000-8000-000000000002",
                                          "ask": {"cancel": {"reason": "payment_expired"}}}}}],
                   "next_cursor": null, "has_more": false})),
              Problem)
)]
async fn timers(State(app): State<Api>, _: Caller, mut params: Params) -> Result<Response, Problem> {
    let policy: Option<String> = params.take("filter[policy]")?;
    let about: Option<String> = params.take("filter[about]")?;
    let page = PageRequest::<(DateTime<Utc>, String, String, String)>::read(&mut params, &app.tokens)?;
    let after = page.after().cloned();
    let (due, of, name, subject) = match after {
        Some((due, of, name, subject)) => (Some(due), Some(of), Some(name), Some(subject)),
        None => (None, None, None, None),
    };
    let rows = sqlx::query!(
        r#"select policy, name, about, why, due, dispatch as "dispatch: Json<Box<RawValue>>"
             from react.timers
            where ($1::timestamptz is null or (due, policy, name, about) > ($1, $2::text, $3::text, $4::text))
              and ($5::text is null or policy = $5)
              and ($6::text is null or about = $6)
            order by due, policy, name, about limit $7"#,
        due,
        of,
        name,
        subject,
        policy,
        about,
        page.rows(),
    )
    .map(|row| Timer {
        policy: row.policy,
        timer: row.name,
        about: row.about,
        why: row.why,
        due: Timestamp::new(row.due),
        dispatch: row.dispatch,
    })
    .fetch_all(&app.views)
    .await
    .map_err(failed)?;
    let last = |last: &Timer| (last.due.utc(), last.policy.clone(), last.timer.clone(), last.about.clone());
    Ok(page.page(&app.tokens, rows, last).into_response())
}
