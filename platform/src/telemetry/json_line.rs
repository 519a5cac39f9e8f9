//! One log line: `timestamp, level, target, message, trace_id, span_id, service, fields`, in this order.

use std::fmt;

use opentelemetry::trace::TraceContextExt;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock;
use crate::http::context;
use crate::traceparent::TraceParent;

/// Writes an event with the fields of all spans around it; the innermost wins.
pub(super) struct JsonLine {
    pub(super) service: &'static str,
}

/// Writes a span's fields as one JSON object, which [`JsonLine`] reads back.
pub(super) struct FlatFields;

impl<S> FormatEvent<S, FlatFields> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, FlatFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let Some(written) = extensions.get::<FormattedFields<FlatFields>>() else { continue };
            for object in serde_json::Deserializer::from_str(&written.fields).into_iter::<Map<String, Value>>() {
                fields.0.extend(object.into_iter().flatten());
            }
        }
        fields.name_request();
        event.record(&mut fields);
        let line = self.line(event, fields.0);
        writeln!(writer, "{}", Value::Object(line))
    }
}

impl JsonLine {
    fn line(&self, event: &Event<'_>, mut fields: Map<String, Value>) -> Map<String, Value> {
        let of_span = opentelemetry::Context::map_current(|current| TraceParent::of(current.span().span_context()));
        // Where traces are off, whoever answers a request notes its trace as a field.
        let trace_id = fields.shift_remove("trace_id");
        let mut line = Map::new();
        line.insert("timestamp".into(), serde_json::to_value(clock::now()).unwrap_or_default());
        line.insert("level".into(), event.metadata().level().as_str().into());
        line.insert("target".into(), event.metadata().target().into());
        line.insert("message".into(), fields.shift_remove("message").unwrap_or_default());
        if let Some(of_span) = of_span {
            line.insert("trace_id".into(), of_span.trace_id_hex().into());
            line.insert("span_id".into(), format!("{:016x}", of_span.span_id).into());
        } else if let Some(trace_id) = trace_id {
            line.insert("trace_id".into(), trace_id);
        }
        line.insert("service".into(), self.service.into());
        line.insert("fields".into(), fields.into());
        line
    }
}

impl<'writer> FormatFields<'writer> for FlatFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, record: R) -> fmt::Result {
        let mut fields = Fields::default();
        record.record(&mut fields);
        write!(writer, "{}", Value::Object(fields.0))
    }
}

/// Fields by name, numbers as numbers.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    /// Says what is answered, where no span does: there is none unless traces are exported.
    fn name_request(&mut self) {
        let Some(request) = context::current().filter(|_| !self.0.contains_key("http.route")) else { return };
        self.0.insert("http.request.method".into(), request.method.into());
        self.0.insert("http.route".into(), request.route_name().into());
    }

    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, value.to_string());
    }
}
