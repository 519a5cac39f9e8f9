//! `read.audit_log`: every event of every context as it was stored, for those who ask what happened.

use envelope::Recorded;
use event_schemas::Context;
use event_store::RawPayload;

use crate::projection::{Failed, Order, Projection, View};
use crate::table::Table;

/// Every event by its position. Read raw, so that no event is too strange to be shown; personal data stays sealed.
pub struct AuditLog;

impl Projection for AuditLog {
    type Data = RawPayload;
    const NAME: &'static str = "audit_log";
    const VERSION: i32 = 1;
    const CONTEXTS: &'static [Context] = &Context::ALL;
    const ORDER: Order = Order::Store;
    const TABLES: &'static [Table] = &[Table {
        suffix: "",
        columns: "context text, position bigint, event_id uuid not null, event_type text not null,
                  event_version text not null, aggregate_type text not null, aggregate_id text not null,
                  sequence bigint not null, actor text not null, correlation_id uuid not null, causation_id uuid,
                  traceparent text, recorded_at timestamptz not null, payload json not null",
        key: &["context", "position"],
        indexes: &[
            "(recorded_at, context, position)",
            "(event_id)",
            "(aggregate_id, context, position)",
            "(event_type, context, position)",
            "(actor, context, position)",
            "(correlation_id, context, position)",
        ],
    }];

    async fn apply(view: &mut View<'_>, events: &[Recorded<RawPayload>]) -> Result<(), Failed> {
        let sql = format!(
            "insert into {} (context, position, event_id, event_type, event_version, aggregate_type, aggregate_id,
                             sequence, actor, correlation_id, causation_id, traceparent, recorded_at, payload)
             select c, p, e, t, v, at, ai, s, a, co, ca, tp, r, pl::json
               from unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
                           $8::bigint[], $9::text[], $10::uuid[], $11::uuid[], $12::text[], $13::timestamptz[],
                           $14::text[]) as n(c, p, e, t, v, at, ai, s, a, co, ca, tp, r, pl)",
            view.table()
        );
        sqlx::query(&sql)
            .bind(events.iter().map(|event| &*event.context).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.position.get()).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.event_id).collect::<Vec<_>>())
            .bind(events.iter().map(|event| &*event.event_type).collect::<Vec<_>>())
            .bind(events.iter().map(|event| &*event.event_version).collect::<Vec<_>>())
            .bind(events.iter().map(|event| &*event.aggregate_type).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.aggregate_id.as_str()).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.sequence).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.cause.actor.as_str()).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.cause.correlation_id).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.cause.causation_id).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.cause.traceparent.as_deref()).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.recorded_at.utc()).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.data.get()).collect::<Vec<_>>())
            .execute(&mut *view.db)
            .await?;
        Ok(())
    }
}
