//! Everything that happened, in order. Of no context, because it is of all.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use envelope::Timestamp;
use event_schemas::Context;
use platform::caller::Caller;
use platform::http::{Page, PageRequest, Params};
use platform::problem::Problem;
use platform::token::ConsistencyToken;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::{Api, failed};
use crate::fresh::fresh;

const AUDIT_LOG: &str = "audit_log";

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(events))
}

/// The last position shown, by context.
type Places = BTreeMap<String, i64>;

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
struct Event {
    /// In which context.
    #[schema(example = "orders")]
    context: String,
    /// Where it stands in the store of its context.
    #[schema(example = 17)]
    position: i64,
    /// Names it for ever.
    event_id: Uuid,
    /// What happened, in the past tense.
    #[schema(example = "OrderImported")]
    event_type: String,
    /// Of its shape.
    #[schema(example = "2")]
    event_version: String,
    /// To what kind of thing.
    #[schema(example = "order")]
    aggregate_type: String,
    /// To which one.
    aggregate_id: String,
    /// The version of the thing after it.
    sequence: i64,
    /// Who asked for it.
    actor: String,
    /// The same for everything that follows from one request.
    correlation_id: Uuid,
    /// The event that led to it, if one did.
    causation_id: Option<Uuid>,
    /// W3C trace context of the request.
    traceparent: Option<String>,
    /// When the store took it.
    #[schema(value_type = String, format = DateTime)]
    recorded_at: Timestamp,
    /// Its fields, as they were stored; what is personal stays sealed.
    #[schema(value_type = Object)]
    data: Json<Box<RawValue>>,
}

/// List events, oldest first.
///
/// Those of one context come in the order in which they were stored; contexts are merged by time. The last page has a
/// `next_cursor` too: send it later to get what has happened since.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", operation_id = "listEvents",
    params(("filter[context]" = Option<String>, Query, description = "Only of this one.", example = "orders"),
           ("filter[type]" = Option<String>, Query, description = "Only of this type.", example = "OrderImported"),
           ("filter[aggregate]" = Option<String>, Query, description = "Only what happened to this thing."),
           ("filter[correlation]" = Option<Uuid>, Query, description = "Only what follows from this request."),
           ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "A page; `Link` leads to the next.", headers(("Link")), body = Page<Event>,
               example = json!({"data": [{"context": "orders", "position": 17,
                   "event_id": "018f4e7a-0000-7000-8000-000000000003", "event_type": "OrderImported",
                   "event_version": "2", "aggregate_type": "order",
                   "aggregate_id": "018f4e7a-0000-7000-8000-000000000002", "sequence": 1,
                   "actor": "ana", "correlation_id": "018f4e7a-0000-7000-8000-000000000004", "causation_id": null,
                   "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                   "recorded_at": "2026-11-21T09:00:00.000000Z",
                   "data": {"order": "018f4e7a-0000-7000-8000-000000000002",
                            "customer": "018f4e7a-0000-7000-8000-000000000001", "ordered_on": "1997-01-12", "units": 5,
                            "total": {"amount_minor": 7700, "currency": "USD"}}}],
                   "next_cursor": "eyJvcmRlcnMiOjE3fQ", "has_more": false})),
              Problem)
)]
async fn events(
    State(app): State<Api>,
    _: Caller,
    token: ConsistencyToken,
    mut params: Params,
) -> Result<Response, Problem> {
    let context: Option<Context> = params.take("filter[context]")?;
    let event_type: Option<String> = params.take("filter[type]")?;
    let aggregate: Option<String> = params.take("filter[aggregate]")?;
    let correlation: Option<Uuid> = params.take("filter[correlation]")?;
    let page = PageRequest::<Places>::read(&mut params, &app.tokens)?;
    let asked: Vec<Context> = Context::ALL.into_iter().filter(|one| context.is_none_or(|only| only == *one)).collect();
    let fresh = fresh(&app, AUDIT_LOG, &asked, &token).await?;
    let mut places = page.after().cloned().unwrap_or_default();
    let after: Vec<i64> = asked.iter().map(|one| places.get(one.name()).copied().unwrap_or_default()).collect();
    let names: Vec<String> = asked.iter().map(|one| one.name().to_owned()).collect();
    // One walk along the primary key per context, however deep the page lies.
    let mut rows = sqlx::query_as!(
        Event,
        r#"select e.context as "context!", e.position as "position!", e.event_id as "event_id!",
                  e.event_type as "event_type!", e.event_version as "event_version!",
                  e.aggregate_type as "aggregate_type!", e.aggregate_id as "aggregate_id!", e.sequence as "sequence!",
                  e.actor as "actor!", e.correlation_id as "correlation_id!", e.causation_id, e.traceparent,
                  e.recorded_at as "recorded_at!", e.payload as "data!: Json<Box<RawValue>>"
             from unnest($1::text[], $2::bigint[]) as place(context, position)
            cross join lateral (
                  select * from read.audit_log l
                   where l.context = place.context and l.position > place.position
                     and ($3::text is null or l.event_type = $3) and ($4::text is null or l.aggregate_id = $4)
                     and ($5::uuid is null or l.correlation_id = $5)
                   order by l.position limit $6) as e
            order by e.recorded_at, e.context, e.position limit $6"#,
        &names,
        &after,
        event_type,
        aggregate,
        correlation,
        page.rows(),
    )
    .fetch_all(&app.views)
    .await
    .map_err(failed)?;
    let limit = usize::try_from(page.limit()).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    places.extend(rows.iter().map(|row| (row.context.clone(), row.position)));
    Ok(fresh.answer(page.page_to(&app.tokens, rows, Some(places), has_more)))
}
