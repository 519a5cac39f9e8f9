use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::*;

/// Takes the lines of one test.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(provider: Option<&SdkTracerProvider>, work: impl FnOnce()) -> Value {
    let lines = Lines::default();
    let writer = lines.clone();
    let layer = tracing_subscriber::fmt::layer()
        .fmt_fields(FlatFields)
        .event_format(JsonLine { service: "test" })
        .with_writer(move || writer.clone());
    let spans = provider.map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("test")));
    tracing::subscriber::with_default(Registry::default().with(spans).with(layer), work);
    let bytes = lines.0.lock().unwrap().clone();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn a_line_has_the_agreed_fields_in_order_and_those_of_its_spans() {
    let line = logged(None, || {
        let outer = tracing::info_span!("outer", trace_id = "abc", order = 1);
        let _outer = outer.enter();
        let inner = tracing::info_span!("inner", order = 2, late = tracing::field::Empty);
        inner.record("late", true);
        let _inner = inner.enter();
        tracing::info!(count = 3, "Did {} things", 3);
    });
    let names: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["timestamp", "level", "target", "message", "trace_id", "service", "fields"]);
    assert_eq!(line["message"], "Did 3 things");
    assert_eq!(line["trace_id"], "abc");
    assert_eq!(line["fields"], serde_json::json!({"order": 2, "late": true, "count": 3}));
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_line_names_the_trace_that_its_span_follows() {
    let parent: TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
    let provider = SdkTracerProvider::builder().build();
    let line = logged(Some(&provider), || {
        let span = tracing::info_span!("work");
        parent.adopt(&span);
        let _entered = span.enter();
        let current = TraceParent::current().unwrap();
        assert_eq!(current.trace_id, parent.trace_id);
        assert_ne!(current.span_id, parent.span_id);
        tracing::info!("Working");
    });
    assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(line["span_id"].as_str().unwrap().len(), 16);
}

use crate::traceparent::TraceParent;
