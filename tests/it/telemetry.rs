//! One trace from the request to the read model, as a collector receives it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;
use tests::{ETA_MAX, Program, empty_database, until};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};

use super::EXE;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// The span of whoever sends the request.
const CALLER: &str = "00f067aa0ba902b7";
const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A collector that keeps what it is sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        self.0.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route_service(EXPORT, TraceServiceServer::new(collector.clone()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (collector, url)
    }

    fn named(&self, name: &str) -> Vec<Span> {
        self.0.lock().unwrap().iter().filter(|span| span.name == name).cloned().collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn one_trace_leads_from_the_request_through_the_topic_to_the_projector() {
    let (collector, url) = Collector::start().await;
    let database = empty_database().await;
    let env = [
        ("DATABASE_URL", database.url()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    let mut program = Program::new(EXE, &[], &env);
    program.up().await;
    let topic = "handsel.orders.events.v1";
    let [send, poll, process] = ["send", "poll", "process"].map(|step| format!("{step} {topic}"));
    let link =
        |span: &Span| span.links.iter().find(|link| hex(&link.trace_id) == TRACE).map(|link| link.span_id.clone());
    let tries = AtomicU32::new(0);
    // An event that the projector finds in the store before the topic brings it has no such span: then the next has.
    until("a projector works on a record of the trace", ETA_MAX, || async {
        import(&program.running().url, tries.fetch_add(1, Ordering::Relaxed)).await;
        collector.named(&process).iter().any(|span| link(span).is_some())
    })
    .await;
    let cause = collector.named(&process).iter().find_map(link).expect("it was just there");
    let followed = |span: &Span| hex(&span.trace_id) == TRACE && span.parent_span_id == cause;
    let brought = |span: &Span| span.links.iter().any(|link| link.span_id == cause);
    until("the collector has what led there", ETA_MAX, || async {
        collector.named("request").iter().any(|span| span.span_id == cause)
            && collector.named(&send).iter().any(followed)
            && collector.named(&poll).iter().any(brought)
    })
    .await;

    // Each step names the one before it: the request follows its caller, and the event remembers the request.
    let request = collector.named("request").into_iter().find(|span| span.span_id == cause).unwrap();
    assert_eq!((hex(&request.trace_id).as_str(), hex(&request.parent_span_id).as_str()), (TRACE, CALLER));
    let remembered = json!(format!("00-{TRACE}-{}-01", hex(&cause)));
    until("the event is listed", ETA_MAX, || async {
        let events = program.get("/v1/events?filter[context]=orders&limit=100").await;
        events["data"].as_array().is_some_and(|events| events.iter().any(|event| event["traceparent"] == remembered))
    })
    .await;
    assert!(program.terminate().await.success(), "{}", program.logged());
}

/// Imports an order as a part of the trace.
async fn import(url: &str, number: u32) {
    let order = json!({"customer": "018f4e7a-0000-7000-8000-000000000001", "ordered_on": "1997-01-12", "units": 5,
                       "total": {"amount_minor": 7700, "currency": "USD"}});
    let asked = reqwest::Client::new()
        .post(format!("{url}/v1/orders/import"))
        .header("idempotency-key", format!("\"the-traced-order-{number}\""))
        .header("handsel-caller", "tester")
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .json(&order);
    let answer = asked.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}
