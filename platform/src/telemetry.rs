//! Logs as JSON lines, and traces over OTLP where `OTEL_EXPORTER_OTLP_ENDPOINT` says so.

mod json_line;
pub mod messaging;
#[cfg(test)]
mod tests;

use std::env;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry};

use json_line::{FlatFields, JsonLine};

/// What is logged when `RUST_LOG` says nothing. The servers we embed and the clients we use speak only when it matters;
/// librdkafka reports a broker that is away many times a second, which our readiness check says once.
const LEVELS_DEFAULT: &str = "info,rdkafka::client=off,tansu_broker=error,tansu_storage=error,tansu_service=error,\
                              sqlx::query=warn,hyper=warn,h2=warn,tonic=warn,opentelemetry=warn";
/// The crates whose spans are exported: the embedded broker makes so many that ours would find no room.
const TRACED: [&str; 6] = ["platform", "event_store", "projectors", "command_api", "query_api", "handsel"];
/// Whether traces leave this process: where nobody sees a span, none is made for each message.
static EXPORTS: AtomicBool = AtomicBool::new(false);
/// How long the last spans may take to be sent.
pub const FLUSH_MAX: Duration = Duration::from_secs(1);

/// Where log lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogTo {
    /// For servers, whose output is their log.
    Stdout,
    /// For commands, whose output is their answer.
    Stderr,
}

/// Keeps telemetry alive; when it is dropped, spans not yet sent are sent.
#[derive(Debug)]
#[must_use = "spans are lost when the guard is dropped early"]
pub struct Guard {
    provider: Option<SdkTracerProvider>,
}

/// Why telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` leads nowhere that could be called.
    #[error("cannot export traces to OTEL_EXPORTER_OTLP_ENDPOINT: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// `RUST_LOG` cannot be understood.
    #[error("RUST_LOG cannot be understood: {0}; write for example RUST_LOG=info,projectors=debug")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// It was set up before.
    #[error("logging was set up twice: {0}")]
    Twice(#[from] TryInitError),
}

/// Sets logging and tracing up for this process. Call it inside the runtime, which carries the exports.
pub fn init(service: &'static str, version: &str, log_to: LogTo) -> Result<Guard, TelemetryError> {
    let levels = env::var("RUST_LOG").ok().filter(|levels| !levels.trim().is_empty());
    let levels = levels.map_or_else(|| LEVELS_DEFAULT.to_owned(), |own| format!("rdkafka::client=off,{own}"));
    let writer = match log_to {
        LogTo::Stdout => BoxMakeWriter::new(io::stdout),
        LogTo::Stderr => BoxMakeWriter::new(io::stderr),
    };
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(FlatFields)
        .event_format(JsonLine { service })
        .with_writer(writer)
        .with_filter(EnvFilter::try_new(&levels)?);
    let ours = Targets::new().with_targets(TRACED.map(|name| (name, LevelFilter::INFO)));
    let provider = traces_wanted().then(|| exporter(service, version)).transpose()?;
    let spans = provider
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("handsel")).with_filter(ours));
    // The traces' layer stands below the lines', so that a line can name the trace it belongs to.
    Registry::default().with(spans).with(lines).try_init()?;
    EXPORTS.store(provider.is_some(), Ordering::Relaxed);
    Ok(Guard { provider })
}

impl Guard {
    /// Sends what was not yet sent, now.
    pub async fn flush(&self) {
        let Some(provider) = self.provider.clone() else { return };
        // It blocks until the exporter, which needs this runtime, has answered.
        let _ = tokio::task::spawn_blocking(move || provider.force_flush()).await;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take() {
            // A collector that is away loses the last spans, not the end of the process its time.
            let _ = provider.shutdown_with_timeout(FLUSH_MAX);
        }
    }
}

pub(crate) fn exports_traces() -> bool {
    EXPORTS.load(Ordering::Relaxed)
}

fn traces_wanted() -> bool {
    let set = |name| env::var(name).ok().filter(|value: &String| !value.is_empty());
    let endpoint = set("OTEL_EXPORTER_OTLP_ENDPOINT").or_else(|| set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"));
    endpoint.is_some() && set("OTEL_SDK_DISABLED").is_none_or(|disabled| !disabled.eq_ignore_ascii_case("true"))
}

/// Takes address, headers and time limits from the standard `OTEL_*` variables.
fn exporter(service: &'static str, version: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder().with_tonic().build()?;
    // The builder reads OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME; what we know better is set after them.
    let mut resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", version.to_owned()))
        .with_attribute(KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()));
    if env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(service);
    }
    if let Ok(environment) = env::var("HANDSEL_ENVIRONMENT") {
        resource = resource.with_attribute(KeyValue::new("deployment.environment.name", environment));
    }
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build())
}
