//! What follows from each event of a payment.

use std::sync::Arc;

use envelope::{Cause, Position, Timestamp};
use event_schemas::Context;
use event_schemas::published::published;

use super::*;

const PAYMENT: &str = "0192f1d2-7c00-7000-8000-000000000005";

/// An event as it is stored, with the fields of its golden file.
fn stored(event_type: &str, fields: &str, aggregate_id: &str) -> Recorded<Event> {
    Recorded {
        position: Position(1),
        context: Context::Payments.name().into(),
        aggregate_type: "payment".into(),
        aggregate_id: aggregate_id.to_owned(),
        sequence: 1,
        event_id: PAYMENT.parse().unwrap(),
        event_type: event_type.into(),
        event_version: Arc::from("1"),
        recorded_at: Timestamp::default(),
        cause: Cause::new("tester", PAYMENT.parse().unwrap()),
        data: Event::decode(Context::Payments, event_type, "1", fields).unwrap(),
    }
}

fn golden(path: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../event-schemas/golden/");
    std::fs::read_to_string(format!("{folder}{path}")).unwrap()
}

#[test]
fn requests_are_asked_of_the_provider_and_nothing_else_is() {
    let mut asked = Vec::new();
    for event in published().into_iter().filter(|event| event.context == Context::Payments) {
        let Some(request) = Request::of(&stored(event.event_type, &golden(&event.path()), PAYMENT)) else { continue };
        assert_eq!((request.payment.to_string().as_str(), request.method.as_str()), (PAYMENT, "pm_sim_ok"));
        assert_eq!((request.amount.amount_minor, request.operation.to_string().ends_with("006")), (1177, true));
        assert_eq!(request.authorization.is_some(), request.kind != OperationKind::Authorize);
        asked.push((event.event_type, request.kind));
    }
    let due = [
        ("PaymentAuthorizationRequested", OperationKind::Authorize),
        ("PaymentCaptureRequested", OperationKind::Capture),
        ("PaymentRefundRequested", OperationKind::Refund),
        ("PaymentVoidRequested", OperationKind::Void),
    ];
    assert_eq!(asked, due);
}

#[test]
fn nothing_follows_for_a_payment_without_an_id() {
    let fields = golden("payments/payment-capture-requested.v1.json");
    assert_eq!(Request::of(&stored("PaymentCaptureRequested", &fields, "none")), None);
}
