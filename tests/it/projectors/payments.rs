//! Given what happened to payments, then these rows.

use event_schemas::Context;
use event_schemas::payments::{OperationKind, PaymentEvent};
use serde_json::json;
use uuid::Uuid;

use super::world::{Given, World, given};
use crate::payments::{operation, order, payment, usd};

fn named(number: u128) -> Option<String> {
    Some(format!("sim_{number}"))
}

fn asked(number: u128) -> PaymentEvent {
    PaymentEvent::PaymentAuthorizationRequested {
        payment: payment(number),
        order: order(number),
        payer: event_schemas::ids::AccountId(Uuid::from_u128(1)),
        amount: usd(1000),
        method: "pm_sim_ok".to_owned(),
        operation: operation(1),
    }
}

fn authorized(number: u128) -> PaymentEvent {
    PaymentEvent::PaymentAuthorized {
        order: order(number),
        operation: operation(1),
        amount: usd(1000),
        reference: named(1),
    }
}

fn capture(number: u128, of: u128, minor: i64) -> [PaymentEvent; 2] {
    let (order, operation, amount, method) = (order(number), operation(of), usd(minor), "pm_sim_ok".to_owned());
    [
        PaymentEvent::PaymentCaptureRequested { order, operation, amount, method, authorization: named(1) },
        PaymentEvent::PaymentCaptured { order, operation, amount, reference: named(of) },
    ]
}

fn refund(number: u128, of: u128, minor: i64) -> [PaymentEvent; 2] {
    let (order, operation, amount, method) = (order(number), operation(of), usd(minor), "pm_sim_ok".to_owned());
    [
        PaymentEvent::PaymentRefundRequested { order, operation, amount, method, authorization: named(1) },
        PaymentEvent::PaymentRefunded { order, operation, amount, reference: None },
    ]
}

fn unknown(number: u128, of: u128, kind: OperationKind) -> PaymentEvent {
    let (order, operation, reason) = (order(number), operation(of), "no \"answer\"".to_owned());
    PaymentEvent::PaymentOperationUnknown { order, operation, kind, reason }
}

fn pending(number: u128, reason: &str) -> PaymentEvent {
    PaymentEvent::PaymentOperationPending {
        order: order(number),
        operation: operation(1),
        kind: OperationKind::Authorize,
        reason: reason.to_owned(),
        action_url: Some("https://pay.example.org/1".to_owned()),
    }
}

fn failed(number: u128, of: u128, kind: OperationKind) -> PaymentEvent {
    let (code, reason) = ("card_declined".to_owned(), "The card was declined.".to_owned());
    PaymentEvent::PaymentOperationFailed { order: order(number), operation: operation(of), kind, code, reason }
}

fn deferred(number: u128) -> PaymentEvent {
    PaymentEvent::PaymentVoidDeferred { order: order(number), operation: operation(2), amount: usd(1000) }
}

/// A void goes on, and is done.
fn void(number: u128) -> [PaymentEvent; 2] {
    let (order, operation, amount, method) = (order(number), operation(2), usd(1000), "pm_sim_ok".to_owned());
    [
        PaymentEvent::PaymentVoidRequested { order, operation, amount, method, authorization: named(1) },
        PaymentEvent::PaymentVoided { order, operation, amount, reference: named(2) },
    ]
}

/// One after the other, all to the same payment.
fn to_payment(number: u128, events: impl IntoIterator<Item = PaymentEvent>) -> Vec<Given> {
    let one = |(event, sequence): (PaymentEvent, i64)| given(("payment", payment(number)), sequence, event.into());
    events.into_iter().zip(1..).map(one).collect()
}

/// What happened to a payment among others, until somewhere in its life.
pub(super) fn history(number: u128) -> Vec<Given> {
    let begun = vec![asked(number), unknown(number, 1, OperationKind::Authorize)];
    let all = if number.is_multiple_of(2) {
        let [partly, wholly] = [capture(number, 2, 400), capture(number, 3, 600)];
        [begun, vec![authorized(number)], partly.into(), wholly.into(), refund(number, 4, 300).into()].concat()
    } else {
        [begun, vec![deferred(number), pending(number, "processing"), authorized(number)], void(number).into()].concat()
    };
    to_payment(number, all.into_iter().take(1 + usize::try_from(number % 9).unwrap()))
}

#[tokio::test]
async fn every_state_of_a_payment_has_its_name() {
    let world = World::new().await;
    let begun = || vec![asked(0)];
    let good = || [begun(), vec![authorized(0)]].concat();
    let part = || [good(), capture(0, 2, 400).into()].concat();
    let all = [
        (begun(), "pending"),
        ([begun(), vec![pending(0, "processing")]].concat(), "pending"),
        ([begun(), vec![pending(0, "action_required")]].concat(), "requires_action"),
        ([begun(), vec![unknown(0, 1, OperationKind::Authorize)]].concat(), "unknown"),
        ([begun(), vec![failed(0, 1, OperationKind::Authorize)]].concat(), "failed"),
        (good(), "authorized"),
        ([good(), vec![unknown(0, 2, OperationKind::Capture)]].concat(), "authorized"),
        ([good(), void(0).into()].concat(), "voided"),
        (part(), "partially_captured"),
        ([part(), vec![failed(0, 3, OperationKind::Capture)]].concat(), "partially_captured"),
        ([part(), capture(0, 3, 600).into()].concat(), "captured"),
        ([part(), refund(0, 4, 100).into()].concat(), "partially_refunded"),
        ([part(), refund(0, 4, 400).into()].concat(), "refunded"),
    ];
    for ((events, _), number) in all.iter().zip(0..) {
        world.append(Context::Payments, &to_payment(number, events.clone())).await;
    }
    let running = world.run();
    world.settled().await;
    let states = world.rows("select state from read.payments order by payment").await;
    assert_eq!(states, all.map(|(_, state)| json!({ "state": state })));
    let what = "authorized_minor, captured_minor, refunded_minor, failure_code, failure_reason, version";
    let rows = world.rows(&format!("select {what} from read.payments order by payment")).await;
    let sums = |authorized: i64, captured: i64, refunded: i64, code: Option<&str>, version: i64| {
        json!({"authorized_minor": authorized, "captured_minor": captured, "refunded_minor": refunded,
               "failure_code": code, "failure_reason": code.map(|_| "The card was declined."), "version": version})
    };
    assert_eq!(rows[4], sums(0, 0, 0, Some("card_declined"), 2));
    assert_eq!(rows[9], sums(1000, 400, 0, Some("card_declined"), 5), "a capture that failed is told of");
    assert_eq!(rows[12], sums(1000, 400, 400, None, 6));
    running.stop().await;
}

#[tokio::test]
async fn each_operation_shows_how_far_it_has_come() {
    let world = World::new().await;
    let begun = vec![asked(1), pending(1, "action_required"), deferred(1)];
    let running = world.run();
    world.append(Context::Payments, &to_payment(1, begun.clone())).await;
    world.settled().await;
    let what = "select operation, kind, amount_minor, currency, state, code, reason, action_url, reference, version,
                       ended_at is not null as ended from read.payment_operations where payment";
    let one = format!("{what} = '{}' order by operation", payment(1));
    let row = |of: u128, kind: &str, state: &str, version: i64| {
        json!({"operation": operation(of), "kind": kind, "amount_minor": 1000, "currency": "USD", "state": state,
               "code": null, "reason": null, "action_url": null, "reference": null, "version": version,
               "ended": false})
    };
    let mut waits = row(1, "authorize", "pending", 2);
    (waits["code"], waits["action_url"]) = (json!("action_required"), json!("https://pay.example.org/1"));
    assert_eq!(world.rows(&one).await, [waits, row(2, "void", "deferred", 3)]);

    let whole = [begun, vec![unknown(1, 1, OperationKind::Authorize), authorized(1)], void(1).into()].concat();
    world.append(Context::Payments, &to_payment(1, whole.clone())[3..4]).await;
    world.settled().await;
    let mut silent = row(1, "authorize", "unknown", 4);
    silent["reason"] = json!("no \"answer\"");
    assert_eq!(world.rows(&one).await[0], silent, "what was waited for is forgotten");

    world.append(Context::Payments, &to_payment(1, whole)[4..]).await;
    let declined = [asked(2), deferred(2), failed(2, 1, OperationKind::Authorize)];
    let dropped = PaymentEvent::PaymentVoidDropped { order: order(2), operation: operation(2) };
    world.append(Context::Payments, &to_payment(2, declined.into_iter().chain([dropped]))).await;
    world.settled().await;
    let ended = |mut row: serde_json::Value, reference: Option<String>| {
        (row["ended"], row["reference"]) = (json!(true), json!(reference));
        row
    };
    let done = [ended(row(1, "authorize", "succeeded", 5), named(1)), ended(row(2, "void", "succeeded", 7), named(2))];
    assert_eq!(world.rows(&one).await, done);
    let mut no = ended(row(1, "authorize", "failed", 3), None);
    (no["code"], no["reason"]) = (json!("card_declined"), json!("The card was declined."));
    let other = format!("{what} = '{}' order by operation", payment(2));
    assert_eq!(world.rows(&other).await, [no, ended(row(2, "void", "dropped", 4), None)]);
    running.stop().await;
}
