//! What is shown of everything that happened: every event as it was stored.

use std::collections::BTreeMap;

use envelope::Recorded;
use event_schemas::Context;
use event_store::RawPayload;

use super::{Asked, Keys, Oracle, Row, cell};

/// Every event of every context, what is personal still sealed.
#[derive(Default)]
pub(super) struct AuditLog(BTreeMap<(String, i64), Row>);

impl Oracle for AuditLog {
    fn take(&mut self, event: &Recorded<RawPayload>) -> anyhow::Result<()> {
        let row = Row::new([
            ("context", cell(&event.context)),
            ("position", cell(event.position)),
            ("event_id", cell(event.event_id)),
            ("event_type", cell(&event.event_type)),
            ("event_version", cell(&event.event_version)),
            ("aggregate_type", cell(&event.aggregate_type)),
            ("aggregate_id", cell(&event.aggregate_id)),
            ("sequence", cell(event.sequence)),
            ("actor", cell(&event.cause.actor)),
            ("correlation_id", cell(event.cause.correlation_id)),
            ("causation_id", event.cause.causation_id.and_then(cell)),
            ("traceparent", event.cause.traceparent.as_ref().and_then(cell)),
            ("recorded_at", cell(event.recorded_at)),
            ("payload", cell(event.data.get())),
        ]);
        self.0.insert((event.context.to_string(), event.position.get()), row);
        Ok(())
    }

    fn rows(self: Box<Self>, _: &Keys) -> anyhow::Result<Vec<Row>> {
        Ok(self.0.into_values().collect())
    }
}

/// How events are asked for: each context by itself, because contexts are merged by time and not by position.
pub(super) fn events(_: &[&Row]) -> Vec<Asked> {
    let fields = &[
        ("/context", "context"),
        ("/position", "position"),
        ("/event_id", "event_id"),
        ("/event_type", "event_type"),
        ("/event_version", "event_version"),
        ("/aggregate_type", "aggregate_type"),
        ("/aggregate_id", "aggregate_id"),
        ("/sequence", "sequence"),
        ("/actor", "actor"),
        ("/correlation_id", "correlation_id"),
        ("/causation_id", "causation_id"),
        ("/traceparent", "traceparent"),
        ("/recorded_at", "recorded_at"),
    ];
    let one = |context: Context| {
        let asked = Asked::list(format!("/v1/events?filter[context]={context}"), fields);
        asked.aged_by("position").given("context", context.name())
    };
    Context::ALL.map(one).to_vec()
}
