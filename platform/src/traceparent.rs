//! W3C trace context: read from requests and records, given on to events and calls.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// One step of a trace, in the form of the header `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The whole trace; never zero.
    pub trace_id: u128,
    /// The step that caused what follows; never zero.
    pub span_id: u64,
    /// Whether the trace is recorded.
    pub sampled: bool,
}

/// The header is none of ours, or broken: start a new trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent: 00-<32 hex digits>-<16 hex digits>-<2 hex digits> is the form")]
pub struct NotATraceParent;

impl TraceParent {
    /// The start of a new trace.
    pub fn new_root() -> Self {
        TraceParent { trace_id: nonzero(rand::random, 0), span_id: nonzero(rand::random, 0), sampled: false }
    }

    /// Where the current span stands, if traces are on.
    pub fn current() -> Option<Self> {
        let context = Span::current().context();
        TraceParent::of(context.span().span_context())
    }

    /// Makes `span` follow this step, if traces are on.
    pub fn adopt(&self, span: &Span) {
        let context = opentelemetry::Context::new().with_remote_span_context(self.span_context());
        // The only failure is a span that has already begun or is filtered out: it then keeps its own trace.
        let _ = span.set_parent(context);
    }

    /// The same trace seen by a span that was started for another reason, such as a batch: linked, not followed.
    pub fn link(&self, span: &Span) {
        span.add_link(self.span_context());
    }

    /// The trace in hex, as logs and problems show it.
    pub fn trace_id_hex(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    pub(crate) fn of(context: &SpanContext) -> Option<Self> {
        context.is_valid().then(|| TraceParent {
            trace_id: u128::from_be_bytes(context.trace_id().to_bytes()),
            span_id: u64::from_be_bytes(context.span_id().to_bytes()),
            sampled: context.is_sampled(),
        })
    }

    fn span_context(&self) -> SpanContext {
        let flags = if self.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let trace_id = TraceId::from_bytes(self.trace_id.to_be_bytes());
        SpanContext::new(trace_id, SpanId::from_bytes(self.span_id.to_be_bytes()), flags, true, TraceState::default())
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

impl FromStr for TraceParent {
    type Err = NotATraceParent;

    fn from_str(header: &str) -> Result<Self, NotATraceParent> {
        let mut parts = header.trim().split('-');
        let mut next = |digits| hex(parts.next(), digits).ok_or(NotATraceParent);
        let (version, trace_id, span_id, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        let span_id = u64::try_from(span_id).map_err(|_| NotATraceParent)?;
        // Later versions may add parts; version 0 has none, and ff is reserved.
        if version == 0xff || trace_id == 0 || span_id == 0 || (version == 0 && parts.next().is_some()) {
            return Err(NotATraceParent);
        }
        Ok(TraceParent { trace_id, span_id, sampled: flags & 1 == 1 })
    }
}

fn hex(part: Option<&str>, digits: usize) -> Option<u128> {
    let part = part.filter(|part| part.len() == digits)?;
    let lower = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    lower.then(|| u128::from_str_radix(part, 16).ok()).flatten()
}

fn nonzero<T: PartialEq>(mut random: impl FnMut() -> T, zero: T) -> T {
    loop {
        let value = random();
        if value != zero {
            return value;
        }
    }
}
