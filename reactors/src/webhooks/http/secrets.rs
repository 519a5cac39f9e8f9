//! How the secret of a webhook is replaced without its receiver missing anything.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::{IntoResponse as _, Response};
use envelope::Timestamp;
use platform::caller::Caller;
use platform::clock;
use platform::http::{Json, Path, etag};
use platform::problem::Problem;
use serde::{Deserialize, Serialize};
use sqlx::types::Json as Stored;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{Hooks, away, not_found, places};
use crate::webhooks::secret::Secret;
use crate::webhooks::subscriptions::{COLUMNS, Replaced, Webhook};

/// A day: long enough for a receiver that is changed by hand.
const OVERLAP_S: i64 = 24 * 60 * 60;
/// A week.
const OVERLAP_S_MAX: i64 = 7 * OVERLAP_S;
/// How many secrets may sign beside the one in force.
const REPLACED_MAX: usize = 3;
const MICROS: i64 = 1_000_000;

pub(super) fn described() -> OpenApiRouter<Hooks> {
    OpenApiRouter::new().routes(routes!(replace))
}

/// What the secret is to be replaced by.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookSecretWanted)]
struct Wanted {
    /// `whsec_` and 24 to 64 bytes in base64, if the receiver has one; without it one is made.
    secret: Option<String>,
    /// For how many seconds the old one signs too: a day without it, a week at most. 0 ends it now, and all that were
    /// replaced before: for a secret that others know.
    #[schema(example = 86400, minimum = 0, maximum = 604_800)]
    overlap_s: Option<i64>,
}

/// A secret that was just made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookSecret)]
struct Made {
    /// By which the receiver checks that a message is ours. It is not shown again.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
    /// Until when the one that it replaces signs too; null: it does not any more.
    #[schema(value_type = Option<String>, format = DateTime)]
    replaced_until: Option<Timestamp>,
}

/// Replace the secret of a webhook.
///
/// For a while every message has two signatures, by the new secret and by the old one, so that the receiver may change
/// over at any moment of it. The secret is shown in this answer only; whoever lost the answer replaces it again.
#[utoipa::path(
    post, path = "/v1/webhooks/{webhook}/secret", tag = "webhooks", operation_id = "replaceWebhookSecret",
    params(("webhook" = Uuid, Path, description = "Which one.", example = "018f4e7a-0000-7000-8000-000000000009")),
    request_body(content = Wanted, example = json!({"overlap_s": 86_400})),
    responses((status = 200, description = "It signs from now on.", headers(("ETag")), body = Made,
               example = json!({"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                   "replaced_until": "2026-11-22T09:00:00.000000Z"})),
              Problem)
)]
async fn replace(
    State(hooks): State<Hooks>,
    _: Caller,
    Path(webhook): Path<Uuid>,
    Json(wanted): Json<Wanted>,
) -> Result<Response, Problem> {
    let given = wanted.secret.as_deref().map(Secret::parse).transpose();
    let secret = given.map_err(|why| Problem::bad_field("/secret", why))?.unwrap_or_else(Secret::random);
    let overlap_s = wanted.overlap_s.unwrap_or(OVERLAP_S);
    if !(0..=OVERLAP_S_MAX).contains(&overlap_s) {
        let why = format!("the old secret signs for 0 to {OVERLAP_S_MAX} seconds more");
        return Err(Problem::bad_field("/overlap_s", why));
    }
    let mut tx = hooks.pool().begin().await.map_err(away)?;
    let sql = format!("select {COLUMNS} from react.webhooks where webhook = $1 for update");
    let before: Option<Webhook> = sqlx::query_as(&sql).bind(webhook).fetch_optional(&mut *tx).await.map_err(away)?;
    let before = before.ok_or_else(|| not_found(webhook))?;
    let replaced = replaced(before, clock::now(), overlap_s)?;
    let sql = "update react.webhooks set secret = $2, replaced = $3, version = version + 1 where webhook = $1
               returning version";
    let version: i64 = sqlx::query_scalar(sql)
        .bind(webhook)
        .bind(Stored(hooks.0.secrets.seal(webhook, &secret)))
        .bind(Stored(&replaced))
        .fetch_one(&mut *tx)
        .await
        .map_err(away)?;
    places::bump(&mut *tx).await.map_err(away)?;
    tx.commit().await.map_err(away)?;
    let made = Made { secret: secret.expose(), replaced_until: replaced.first().map(|newest| newest.until) };
    Ok(([(ETAG, etag(version))], Json(made)).into_response())
}

/// What signs beside the new secret from now on, newest first.
///
/// # Errors
/// A 409 if that would be too many.
fn replaced(before: Webhook, now: Timestamp, overlap_s: i64) -> Result<Vec<Replaced>, Problem> {
    let micros = now.micros().saturating_add(overlap_s.saturating_mul(MICROS));
    let until = Timestamp::from_micros(micros).unwrap_or(now);
    if until <= now {
        return Ok(vec![]);
    }
    let newest = Replaced { secret: before.secret.0, until };
    let older = before.replaced.0.into_iter().filter(|old| old.until > now);
    let all: Vec<Replaced> = std::iter::once(newest).chain(older).collect();
    if all.len() <= REPLACED_MAX {
        return Ok(all);
    }
    let first = all.iter().skip(1).map(|old| old.until).min().unwrap_or(until);
    let detail = format!(
        "{REPLACED_MAX} secrets that were replaced still sign, the first of them until {first}; wait for that, or end \
         all of them now with an overlap_s of 0"
    );
    Err(Problem::new(StatusCode::CONFLICT, "too-many-secrets", detail))
}
