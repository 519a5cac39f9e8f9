//! Webhooks over HTTP: who wants to hear of events says so here, and sees what became of each.

mod deliveries;
mod replays;
mod secrets;
mod shapes;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use event_schemas::Context;
use event_store::{Reader, StoreError};
use platform::caller::Caller;
use platform::http::{IdempotencyKey, IfMatch, Json, MergePatch, Page, PageRequest, Params, Path, REPLAYED, RawJson};
use platform::http::{etag, fingerprint};
use platform::problem::{Explanation, Problem};
use platform::token::TokenKey;
use sqlx::PgPool;
use sqlx::types::Json as Stored;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::shapes::{Changes, Made, Shown, Wanted, beginnings};
use super::places;
use super::secret::{Secret, Secrets};
use super::subscriptions::{self, COLUMNS, Webhook};
use super::target::Targets;

const RETRY_AFTER_S: u32 = 1;
/// How many subscriptions there may be.
const WEBHOOKS_MAX: i64 = 500;

/// What somebody who works on webhooks may be told.
const PROBLEMS: &[Explanation] = &[
    Explanation::new("delivery-ended", 409, "The delivery was made, or given up. Nothing is left to be done with it."),
    Explanation::new("delivery-not-found", 404, "The webhook has no such delivery, or it ended more than a week ago."),
    Explanation::new(
        "idempotency-key-reused",
        422,
        "The Idempotency-Key was used for another request. Take a new one.",
    ),
    Explanation::new(
        "too-many-secrets",
        409,
        "Several secrets that were replaced still sign. Wait until the first of them ends, or end them at once.",
    ),
    Explanation::new("too-many-webhooks", 409, "There are as many webhooks as may be. Delete one that nobody needs."),
    Explanation::new(
        "version-conflict",
        412,
        "Somebody was faster. Read the new version and repeat if the change still makes sense.",
    ),
    Explanation::new(
        "webhook-not-active",
        409,
        "The webhook is paused or disabled, so that nothing is sent. Set its state to active first.",
    ),
    Explanation::new("webhook-not-found", 404, "There is no webhook of this id, or it was deleted."),
    Explanation::new(
        "webhooks-unavailable",
        503,
        "The database of the webhooks, or a store, cannot be reached. Repeat after Retry-After.",
    ),
];

/// What these routes work on. Cheap to clone.
#[derive(Clone)]
pub struct Hooks(Arc<Parts>);

/// The same, as it is put together.
pub struct Parts {
    /// The database of the schema `react`.
    pub pool: PgPool,
    /// Seals what we share with receivers.
    pub secrets: Secrets,
    /// Where may be delivered to.
    pub targets: Targets,
    /// Where events are, to say where a subscription begins.
    pub readers: BTreeMap<Context, Reader>,
    /// Makes cursors and fingerprints ours.
    pub tokens: TokenKey,
}

impl Hooks {
    /// Of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    async fn found(&self, webhook: Uuid) -> Result<Webhook, Problem> {
        subscriptions::find(self.pool(), webhook).await.map_err(away)?.ok_or_else(|| not_found(webhook))
    }
}

/// The routes of webhooks.
pub fn routes(hooks: Hooks) -> Router {
    described().split_for_parts().0.with_state(hooks)
}

/// What they take and answer.
#[must_use]
pub fn openapi() -> OpenApi {
    described().into_openapi()
}

/// What their problems mean, besides those that every API may answer.
#[must_use]
pub fn problems() -> Vec<Explanation> {
    PROBLEMS.to_vec()
}

fn described() -> OpenApiRouter<Hooks> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change, delete))
        .merge(deliveries::described())
        .merge(replays::described())
        .merge(secrets::described())
}

/// Let a receiver hear of events.
///
/// From now on, or from an earlier place, each event that is wanted is sent to the URL as Standard Webhooks has it:
/// signed, repeated until it is taken, for each aggregate in order. The secret is shown in this answer only.
#[utoipa::path(
    post, path = "/v1/webhooks", tag = "webhooks", operation_id = "createWebhook",
    params(("Idempotency-Key" = String, Header, description = "Names this request: a repeat makes no second webhook.",
            example = "\"7d444840-9dc0-4ad1-b245-5ffdce74fad2\"")),
    request_body(content = Wanted,
                 example = json!({"url": "https://example.org/hook", "types": ["orders.order-placed"]})),
    responses((status = 201, description = "It is there.", headers(("Location"), ("ETag"), ("Idempotent-Replayed")),
               body = Made,
               example = json!({"webhook": "018f4e7a-0000-7000-8000-000000000009", "url": "https://example.org/hook",
                   "description": "", "contexts": ["orders"], "types": ["OrderPlaced"], "aggregate": null,
                   "state": "active", "reason": null, "created_by": "ana", "created_at": "2026-11-21T09:00:00.000000Z",
                   "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})),
              Problem)
)]
async fn create(
    State(hooks): State<Hooks>,
    caller: Caller,
    key: IdempotencyKey,
    body: RawJson<Wanted>,
) -> Result<Response, Problem> {
    let print = fingerprint(&hooks.0.tokens, &Method::POST, "/v1/webhooks", &body.bytes);
    let wanted = body.value.checked(hooks.0.targets)?;
    let webhook = caller.derive(key.as_str());
    if let Some(there) = subscriptions::find(hooks.pool(), webhook).await.map_err(away)? {
        return made_before(&hooks, there, &print);
    }
    let begins = beginnings(&hooks.0.readers, &wanted.begin).await?;
    let secret = wanted.secret.unwrap_or_else(Secret::random);
    let mut tx = hooks.pool().begin().await.map_err(away)?;
    let sql = format!(
        "insert into react.webhooks
                (webhook, url, description, contexts, types, aggregate, secret, created_by, fingerprint)
         select $1, $2, $3, $4, $5, $6, $7, $8, $9 where (select count(*) from react.webhooks) < {WEBHOOKS_MAX}
         on conflict (webhook) do nothing returning {COLUMNS}"
    );
    let row: Option<Webhook> = sqlx::query_as(&sql)
        .bind(webhook)
        .bind(&wanted.url)
        .bind(&wanted.description)
        .bind(&wanted.contexts)
        .bind(&wanted.types)
        .bind(&wanted.aggregate)
        .bind(Stored(hooks.0.secrets.seal(webhook, &secret)))
        .bind(caller.name())
        .bind(print.as_slice())
        .fetch_optional(&mut *tx)
        .await
        .map_err(away)?;
    let Some(row) = row else {
        tx.rollback().await.map_err(away)?;
        // Somebody may have sent the same request at the same time.
        return match subscriptions::find(hooks.pool(), webhook).await.map_err(away)? {
            Some(there) => made_before(&hooks, there, &print),
            None => Err(too_many()),
        };
    };
    places::insert(&mut tx, webhook, &begins).await.map_err(away)?;
    places::bump(&mut *tx).await.map_err(away)?;
    tx.commit().await.map_err(away)?;
    Ok(made(row, &secret))
}

/// The same request once more gets the same answer, with its secret.
fn made_before(hooks: &Hooks, there: Webhook, print: &[u8; 32]) -> Result<Response, Problem> {
    if there.fingerprint != print {
        let why = "this key was used for another request; take a new key for a new request";
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Problem::new(status, "idempotency-key-reused", why).at("Idempotency-Key", why));
    }
    let secret = hooks.0.secrets.open(there.webhook, &there.secret).map_err(|error| Problem::internal(&error))?;
    let mut answer = made(there, &secret);
    answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(answer)
}

fn made(row: Webhook, secret: &Secret) -> Response {
    let (place, tag) = (format!("/v1/webhooks/{}", row.webhook), etag(row.version));
    let made = Made { shown: Shown::from(row), secret: secret.expose() };
    let mut answer = (StatusCode::CREATED, Json(made)).into_response();
    answer.headers_mut().insert(ETAG, tag);
    if let Ok(place) = HeaderValue::try_from(place) {
        answer.headers_mut().insert(LOCATION, place);
    }
    answer
}

/// List webhooks.
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks", operation_id = "listWebhooks",
    params(("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page, oldest first; `Link` leads to the next.", headers(("Link")),
               body = Page<Shown>,
               example = json!({"data": [{"webhook": "018f4e7a-0000-7000-8000-000000000009",
                   "url": "https://example.org/hook", "description": "", "contexts": ["orders"],
                   "types": ["OrderPlaced"], "aggregate": null, "state": "active", "reason": null, "created_by": "ana",
                   "created_at": "2026-11-21T09:00:00.000000Z"}], "next_cursor": null, "has_more": false})),
              Problem)
)]
async fn list(State(hooks): State<Hooks>, _: Caller, mut params: Params) -> Result<Response, Problem> {
    let page = PageRequest::<(DateTime<Utc>, Uuid)>::read(&mut params, &hooks.0.tokens)?;
    let (created, webhook) = page.after().copied().unzip();
    let sql = format!(
        "select {COLUMNS} from react.webhooks
          where $1::timestamptz is null or (created_at, webhook) > ($1, $2) order by created_at, webhook limit $3"
    );
    let rows: Vec<Webhook> = sqlx::query_as(&sql)
        .bind(created)
        .bind(webhook)
        .bind(page.rows())
        .fetch_all(hooks.pool())
        .await
        .map_err(away)?;
    let rows = rows.into_iter().map(Shown::from).collect();
    Ok(page.page(&hooks.0.tokens, rows, |last: &Shown| (last.created_at.utc(), last.webhook)).into_response())
}

/// Show a webhook.
#[utoipa::path(
    get, path = "/v1/webhooks/{webhook}", tag = "webhooks", operation_id = "getWebhook",
    params(("webhook" = Uuid, Path, description = "Which one.", example = "018f4e7a-0000-7000-8000-000000000009")),
    responses((status = 200, description = "As it is; its secret is not shown again.", headers(("ETag")), body = Shown,
               example = json!({"webhook": "018f4e7a-0000-7000-8000-000000000009", "url": "https://example.org/hook",
                   "description": "", "contexts": ["orders"], "types": ["OrderPlaced"], "aggregate": null,
                   "state": "disabled", "reason": "the receiver answered 410 Gone", "created_by": "ana",
                   "created_at": "2026-11-21T09:00:00.000000Z"})),
              Problem)
)]
async fn show(State(hooks): State<Hooks>, _: Caller, Path(webhook): Path<Uuid>) -> Result<Response, Problem> {
    let row = hooks.found(webhook).await?;
    let tag = etag(row.version);
    Ok(([(ETAG, tag)], Json(Shown::from(row))).into_response())
}

/// Change a webhook.
///
/// With `state` it is paused, or goes on where it was: nothing is lost meanwhile. One that is disabled, because its
/// receiver answered 410, is set to `active` again in the same way. Contexts that it reads only from now on begin where
/// they end now.
#[utoipa::path(
    patch, path = "/v1/webhooks/{webhook}", tag = "webhooks", operation_id = "changeWebhook",
    params(("webhook" = Uuid, Path, description = "Which one.", example = "018f4e7a-0000-7000-8000-000000000009"),
           ("If-Match" = String, Header, description = "The version that the change was made for.", example = "\"1\"")),
    request_body(content = Changes, content_type = "application/merge-patch+json",
                 example = json!({"state": "paused"})),
    responses((status = 200, description = "As it is now.", headers(("ETag")), body = Shown,
               example = json!({"webhook": "018f4e7a-0000-7000-8000-000000000009", "url": "https://example.org/hook",
                   "description": "", "contexts": ["orders"], "types": ["OrderPlaced"], "aggregate": null,
                   "state": "paused", "reason": null, "created_by": "ana",
                   "created_at": "2026-11-21T09:00:00.000000Z"})),
              Problem)
)]
async fn change(
    State(hooks): State<Hooks>,
    _: Caller,
    Path(webhook): Path<Uuid>,
    held: IfMatch,
    body: MergePatch<Changes>,
) -> Result<Response, Problem> {
    let before = hooks.found(webhook).await?;
    let after = body.value.applied(before.clone(), hooks.0.targets)?;
    let newly = after.reads().into_iter().filter(|context| !before.reads().contains(context));
    let readers = newly.filter_map(|context| Some((context, hooks.0.readers.get(&context)?.clone()))).collect();
    let begins = beginnings(&readers, &shapes::Begin::Now).await?;
    let mut tx = hooks.pool().begin().await.map_err(away)?;
    let sql = format!(
        "update react.webhooks set url = $3, description = $4, contexts = $5, types = $6, aggregate = $7, state = $8,
                reason = case when $8 = 'disabled' then reason end, version = version + 1
          where webhook = $1 and version = $2 returning {COLUMNS}"
    );
    let row: Option<Webhook> = sqlx::query_as(&sql)
        .bind(webhook)
        .bind(held.0.unwrap_or(before.version))
        .bind(&after.url)
        .bind(&after.description)
        .bind(&after.contexts)
        .bind(&after.types)
        .bind(&after.aggregate)
        .bind(&after.state)
        .fetch_optional(&mut *tx)
        .await
        .map_err(away)?;
    let row = row.ok_or_else(|| conflict(before.version, held))?;
    for context in begins.keys() {
        let old = "delete from react.webhook_places where webhook = $1 and context = $2";
        sqlx::query(old).bind(webhook).bind(context.name()).execute(&mut *tx).await.map_err(away)?;
    }
    places::insert(&mut tx, webhook, &begins).await.map_err(away)?;
    places::bump(&mut *tx).await.map_err(away)?;
    tx.commit().await.map_err(away)?;
    let tag = etag(row.version);
    Ok(([(ETAG, tag)], Json(Shown::from(row))).into_response())
}

/// Delete a webhook.
///
/// What was not delivered is given up, and what was is no longer shown.
#[utoipa::path(
    delete, path = "/v1/webhooks/{webhook}", tag = "webhooks", operation_id = "deleteWebhook",
    params(("webhook" = Uuid, Path, description = "Which one.", example = "018f4e7a-0000-7000-8000-000000000009"),
           ("If-Match" = String, Header, description = "The version that is to go.", example = "\"1\"")),
    responses((status = 204, description = "It is gone."), Problem)
)]
async fn delete(
    State(hooks): State<Hooks>,
    _: Caller,
    Path(webhook): Path<Uuid>,
    held: IfMatch,
) -> Result<StatusCode, Problem> {
    let before = hooks.found(webhook).await?;
    let mut tx = hooks.pool().begin().await.map_err(away)?;
    let gone = sqlx::query("delete from react.webhooks where webhook = $1 and version = $2")
        .bind(webhook)
        .bind(held.0.unwrap_or(before.version))
        .execute(&mut *tx)
        .await
        .map_err(away)?;
    if gone.rows_affected() == 0 {
        return Err(conflict(before.version, held));
    }
    places::bump(&mut *tx).await.map_err(away)?;
    tx.commit().await.map_err(away)?;
    Ok(StatusCode::NO_CONTENT)
}

fn conflict(actual: i64, IfMatch(expected): IfMatch) -> Problem {
    let expected = expected.map_or_else(|| "the one that was there".to_owned(), |expected| expected.to_string());
    let detail = format!(
        "it has version {actual}, not {expected}, because somebody changed it first; read it again and repeat with the \
         new ETag if the change still makes sense"
    );
    Problem::new(StatusCode::PRECONDITION_FAILED, "version-conflict", detail).at("If-Match", "not the version")
}

fn not_found(webhook: Uuid) -> Problem {
    Problem::not_found("webhook-not-found", format!("there is no webhook {webhook}; GET /v1/webhooks lists them"))
}

fn too_many() -> Problem {
    let detail = format!("there are {WEBHOOKS_MAX} webhooks, as many as may be; delete one that nobody needs");
    Problem::new(StatusCode::CONFLICT, "too-many-webhooks", detail)
}

/// What Postgres said, for whoever asked.
fn away(error: sqlx::Error) -> Problem {
    if !platform::postgres::is_unavailable(&error) {
        return Problem::internal(&error);
    }
    let detail = "the database of the webhooks cannot be reached just now; repeat the request";
    Problem::unavailable("webhooks-unavailable", detail, RETRY_AFTER_S)
}

fn store_away(context: Context, error: &StoreError) -> Problem {
    tracing::warn!(%context, %error, "The store of `{context}` cannot say where a webhook begins: {error}");
    let detail = format!("the store of `{context}` cannot be reached just now; repeat the request");
    Problem::unavailable("webhooks-unavailable", detail, RETRY_AFTER_S)
}
