//! How a receiver gets once more what it had: from a position on, in order, under the same `webhook-id`.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use event_schemas::Context;
use platform::caller::Caller;
use platform::http::{Json, Path};
use platform::problem::Problem;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::shapes::{Begin, begin, beginnings};
use super::{Hooks, away, not_found, places};
use crate::checkpoints::Checkpoint;

pub(super) fn described() -> OpenApiRouter<Hooks> {
    OpenApiRouter::new().routes(routes!(replay))
}

/// From where on everything is sent once more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookReplay)]
struct Wanted {
    /// `start`, or positions such as `orders=17,payments=4`, after which to begin again. A context that is not named
    /// goes on where it is.
    #[schema(example = "orders=17")]
    from: String,
}

/// Up to where a webhook has read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookPlaces)]
struct Places {
    /// The position in each context that it reads, after which it goes on.
    places: BTreeMap<String, i64>,
}

/// Send again what happened after a position.
///
/// For a receiver that lost what it had taken. Each event comes under the `webhook-id` that it had, for each aggregate
/// in its order; a position that was not reached yet changes nothing.
#[utoipa::path(
    post, path = "/v1/webhooks/{webhook}/replay", tag = "webhooks", operation_id = "replayWebhook",
    params(("webhook" = Uuid, Path, description = "Which one.", example = "018f4e7a-0000-7000-8000-000000000009")),
    request_body(content = Wanted, example = json!({"from": "orders=17"})),
    responses((status = 202, description = "It is on its way.", body = Places,
               example = json!({"places": {"orders": 17, "payments": 4}})),
              Problem)
)]
async fn replay(
    State(hooks): State<Hooks>,
    _: Caller,
    Path(webhook): Path<Uuid>,
    Json(wanted): Json<Wanted>,
) -> Result<Response, Problem> {
    let begin = begin(&wanted.from)?;
    let reads = hooks.found(webhook).await?.reads();
    let named: Vec<Context> = match &begin {
        Begin::Now => {
            let why = "what happened comes again from `start`, or from positions such as orders=17,payments=4";
            return Err(Problem::bad_field("/from", why));
        }
        Begin::Start => reads.iter().copied().collect(),
        Begin::After(after) => after.keys().copied().collect(),
    };
    if let Some(other) = named.iter().find(|context| !reads.contains(context)) {
        return Err(Problem::bad_field("/from", format!("the webhook hears nothing of `{other}`")));
    }
    let readers = named.iter().filter_map(|context| Some((*context, hooks.0.readers.get(context)?.clone()))).collect();
    let asked = beginnings(&readers, &begin).await?;
    let mut tx = hooks.pool().begin().await.map_err(away)?;
    let there = "select true from react.webhooks where webhook = $1 for update";
    let there: Option<bool> = sqlx::query_scalar(there).bind(webhook).fetch_optional(&mut *tx).await.map_err(away)?;
    there.ok_or_else(|| not_found(webhook))?;
    for (context, to) in &asked {
        go_back(&mut tx, webhook, *context, to).await.map_err(away)?;
    }
    let places = "select context, position from react.webhook_places where webhook = $1";
    let places: Vec<(String, i64)> = sqlx::query_as(places).bind(webhook).fetch_all(&mut *tx).await.map_err(away)?;
    places::bump(&mut *tx).await.map_err(away)?;
    tx.commit().await.map_err(away)?;
    let read = |(name, _): &(String, i64)| reads.iter().any(|context| context.name() == name);
    let places = places.into_iter().filter(read).collect();
    Ok((StatusCode::ACCEPTED, Json(Places { places })).into_response())
}

/// Moves a place back, unless it is not that far. What was noted of what lies behind it is forgotten, so that it is
/// noted anew and in order: also what still waits, which would otherwise come before it.
async fn go_back(db: &mut PgConnection, webhook: Uuid, context: Context, to: &Checkpoint) -> sqlx::Result<()> {
    let moved = sqlx::query(
        "update react.webhook_places set history = $3, position = $4, event_id = $5
          where webhook = $1 and context = $2 and (history <> $3 or position > $4)",
    )
    .bind(webhook)
    .bind(context.name())
    .bind(to.history.0)
    .bind(to.position.get())
    .bind(to.event_id)
    .execute(&mut *db)
    .await?;
    if moved.rows_affected() == 0 {
        return Ok(());
    }
    sqlx::query(
        "delete from react.webhook_deliveries
          where webhook = $1 and split_part(event_type, '.', 1) = $2
            and (state in ('delivered', 'skipped') or (body::json->'data'->>'position')::bigint > $3)",
    )
    .bind(webhook)
    .bind(context.name())
    .bind(to.position.get())
    .execute(db)
    .await
    .map(drop)
}
