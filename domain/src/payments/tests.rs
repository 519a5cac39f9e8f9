//! Every row of a payment's `decide`.

mod deferred;
mod outcomes;
mod properties;

use cqrs_es::test::{AggregateTestExecutor, TestFramework};
use event_schemas::payments::{OperationKind, PaymentEvent};
use uuid::Uuid;

use super::*;
use crate::{Folded as _, shape};

fn given(events: Vec<PaymentEvent>) -> AggregateTestExecutor<Payment> {
    TestFramework::with(()).given(events)
}

fn usd(amount_minor: i64) -> Money {
    Money { amount_minor, currency: Currency::USD }
}

fn eur(amount_minor: i64) -> Money {
    Money { amount_minor, currency: "EUR".parse().unwrap() }
}

fn op(number: u128) -> OperationId {
    OperationId(Uuid::from_u128(number))
}

fn order() -> OrderId {
    OrderId(Uuid::from_u128(100))
}

fn method() -> String {
    "pm_sim_ok".into()
}

/// What the provider calls an operation.
fn called(number: u128) -> Option<String> {
    Some(format!("sim_{number}"))
}

/// An authorization of 1000, as operation 1.
fn authorize() -> PaymentCommand {
    PaymentCommand::Authorize {
        payment: PaymentId(Uuid::from_u128(101)),
        order: order(),
        payer: AccountId(Uuid::from_u128(102)),
        amount: usd(1000),
        method: method(),
        operation: op(1),
    }
}

fn asked() -> PaymentEvent {
    PaymentEvent::PaymentAuthorizationRequested {
        payment: PaymentId(Uuid::from_u128(101)),
        order: order(),
        payer: AccountId(Uuid::from_u128(102)),
        amount: usd(1000),
        method: method(),
        operation: op(1),
    }
}

fn authorized() -> PaymentEvent {
    PaymentEvent::PaymentAuthorized { order: order(), operation: op(1), amount: usd(1000), reference: called(1) }
}

fn capture(number: u128, amount_minor: i64) -> PaymentCommand {
    PaymentCommand::Capture { operation: op(number), amount: Some(usd(amount_minor)) }
}

fn capture_requested(number: u128, amount_minor: i64) -> PaymentEvent {
    let (order, operation, amount, method) = (order(), op(number), usd(amount_minor), method());
    PaymentEvent::PaymentCaptureRequested { order, operation, amount, method, authorization: called(1) }
}

fn captured(number: u128, amount_minor: i64) -> PaymentEvent {
    let (order, operation, amount, reference) = (order(), op(number), usd(amount_minor), called(number));
    PaymentEvent::PaymentCaptured { order, operation, amount, reference }
}

fn void(number: u128) -> PaymentCommand {
    PaymentCommand::Void { operation: op(number) }
}

fn void_requested(number: u128) -> PaymentEvent {
    let (order, operation, amount, method) = (order(), op(number), usd(1000), method());
    PaymentEvent::PaymentVoidRequested { order, operation, amount, method, authorization: called(1) }
}

fn voided(number: u128) -> PaymentEvent {
    PaymentEvent::PaymentVoided { order: order(), operation: op(number), amount: usd(1000), reference: called(number) }
}

fn refund(number: u128, amount_minor: i64) -> PaymentCommand {
    PaymentCommand::Refund { operation: op(number), amount: Some(usd(amount_minor)) }
}

fn refund_requested(number: u128, amount_minor: i64) -> PaymentEvent {
    let (order, operation, amount, method) = (order(), op(number), usd(amount_minor), method());
    PaymentEvent::PaymentRefundRequested { order, operation, amount, method, authorization: called(1) }
}

fn refunded(number: u128, amount_minor: i64) -> PaymentEvent {
    let (order, operation, amount, reference) = (order(), op(number), usd(amount_minor), called(number));
    PaymentEvent::PaymentRefunded { order, operation, amount, reference }
}

fn record(number: u128, outcome: Outcome) -> PaymentCommand {
    PaymentCommand::Record { operation: op(number), outcome }
}

fn failed(number: u128, kind: OperationKind) -> PaymentEvent {
    let (code, reason) = ("card_declined".into(), "The card was declined.".into());
    PaymentEvent::PaymentOperationFailed { order: order(), operation: op(number), kind, code, reason }
}

fn pending(number: u128, kind: OperationKind) -> PaymentEvent {
    let (order, operation, reason) = (order(), op(number), "processing".into());
    PaymentEvent::PaymentOperationPending { order, operation, kind, reason, action_url: None }
}

fn unknown(number: u128, kind: OperationKind) -> PaymentEvent {
    let reason = "no answer in time".into();
    PaymentEvent::PaymentOperationUnknown { order: order(), operation: op(number), kind, reason }
}

fn says_done(number: u128) -> Outcome {
    Outcome::Succeeded { reference: called(number) }
}

fn says_no() -> Outcome {
    Outcome::Failed { code: "card_declined".into(), reason: "The card was declined.".into() }
}

fn says_later() -> Outcome {
    Outcome::Pending { reason: "processing".into(), action_url: None }
}

fn says_nothing() -> Outcome {
    Outcome::Unknown { reason: "no answer in time".into() }
}

#[test]
fn a_payment_begins_with_one_authorization() {
    given(vec![]).when(authorize()).then_expect_events(vec![asked()]);
    for rest in [vec![], vec![authorized()], vec![failed(1, OperationKind::Authorize)]] {
        let before = [vec![asked()], rest].concat();
        given(before.clone()).when(authorize()).then_expect_events(vec![]);
        for changed in ["order", "payer", "amount", "method", "operation"] {
            given(before.clone()).when(authorize_otherwise(changed)).then_expect_error(PaymentError::AlreadyExists);
        }
    }
}

fn authorize_otherwise(changed: &str) -> PaymentCommand {
    let mut ask = authorize();
    if let PaymentCommand::Authorize { order, payer, amount, method, operation, .. } = &mut ask {
        match changed {
            "order" => *order = OrderId(Uuid::from_u128(7)),
            "payer" => *payer = AccountId(Uuid::from_u128(7)),
            "amount" => *amount = eur(1000),
            "method" => *method = "pm_sim_late".into(),
            _ => *operation = op(7),
        }
    }
    ask
}

#[test]
fn nothing_is_done_with_what_was_never_asked_for() {
    for command in [capture(2, 1), void(2), refund(2, 1), record(1, says_done(1))] {
        given(vec![]).when(command).then_expect_error(PaymentError::NotFound);
    }
}

#[test]
fn an_amount_is_some_money_but_not_absurdly_much() {
    for amount in [0, -1, i64::MIN, AMOUNT_MINOR_MAX + 1, i64::MAX] {
        let mut ask = authorize();
        if let PaymentCommand::Authorize { amount: asked, .. } = &mut ask {
            *asked = usd(amount);
        }
        given(vec![]).when(ask).then_expect_error(PaymentError::BadAmount);
        for command in [capture(2, amount), refund(2, amount)] {
            given(vec![asked(), authorized()]).when(command).then_expect_error(PaymentError::BadAmount);
        }
    }
}

#[test]
fn a_method_is_a_token() {
    for token in ["", "two words", "pm\n", "pm_\u{e9}", &"x".repeat(TOKEN_CHARS_MAX + 1)] {
        let mut ask = authorize();
        if let PaymentCommand::Authorize { method, .. } = &mut ask {
            *method = token.into();
        }
        given(vec![]).when(ask).then_expect_error(PaymentError::BadMethod);
    }
}

#[test]
fn what_is_authorized_is_captured_also_in_parts_but_never_more() {
    let before = vec![asked(), authorized()];
    given(before.clone()).when(capture(2, 1000)).then_expect_events(vec![capture_requested(2, 1000)]);
    given(before.clone())
        .when(capture(2, 1001))
        .then_expect_error(PaymentError::ExceedsAuthorized { left_minor: 1000 });
    let all = PaymentCommand::Capture { operation: op(2), amount: None };
    given(before.clone()).when(all.clone()).then_expect_events(vec![capture_requested(2, 1000)]);
    for state in [vec![], vec![pending(2, OperationKind::Capture)], vec![captured(2, 400)]] {
        let part = [before.clone(), vec![capture_requested(2, 400)], state].concat();
        given(part.clone())
            .when(capture(3, 601))
            .then_expect_error(PaymentError::ExceedsAuthorized { left_minor: 600 });
        given(part.clone()).when(capture(3, 600)).then_expect_events(vec![capture_requested(3, 600)]);
        let rest = PaymentCommand::Capture { operation: op(3), amount: None };
        given(part).when(rest).then_expect_events(vec![capture_requested(3, 600)]);
    }
    let done = [before, vec![capture_requested(2, 1000), captured(2, 1000)]].concat();
    let more = PaymentCommand::Capture { operation: op(3), amount: None };
    given(done).when(more).then_expect_error(PaymentError::ExceedsAuthorized { left_minor: 0 });
}

#[test]
fn a_failed_capture_takes_nothing_away() {
    let before = vec![asked(), authorized(), capture_requested(2, 1000), failed(2, OperationKind::Capture)];
    given(before.clone()).when(capture(3, 1000)).then_expect_events(vec![capture_requested(3, 1000)]);
    given(before.clone()).when(void(3)).then_expect_events(vec![void_requested(3)]);
    given(before).when(capture(2, 1000)).then_expect_events(vec![]);
}

#[test]
fn nothing_is_captured_before_it_is_authorized_or_after_that_failed() {
    for state in [vec![], vec![pending(1, OperationKind::Authorize)], vec![unknown(1, OperationKind::Authorize)]] {
        let before = [vec![asked()], state].concat();
        given(before.clone()).when(capture(2, 1)).then_expect_error(PaymentError::NotAuthorized);
        given(before).when(refund(2, 1)).then_expect_error(PaymentError::ExceedsCaptured { left_minor: 0 });
    }
    let refused = vec![asked(), failed(1, OperationKind::Authorize)];
    given(refused.clone()).when(capture(2, 1)).then_expect_error(PaymentError::AuthorizationFailed);
    given(refused).when(void(2)).then_expect_events(vec![]);
}

#[test]
fn what_is_captured_is_refunded_also_in_parts_but_never_more() {
    let before = vec![asked(), authorized(), capture_requested(2, 600), captured(2, 600)];
    given(before.clone()).when(refund(3, 600)).then_expect_events(vec![refund_requested(3, 600)]);
    given(before.clone()).when(refund(3, 601)).then_expect_error(PaymentError::ExceedsCaptured { left_minor: 600 });
    for state in [vec![], vec![unknown(3, OperationKind::Refund)], vec![refunded(3, 500)]] {
        let part = [before.clone(), vec![refund_requested(3, 500)], state].concat();
        given(part.clone()).when(refund(4, 101)).then_expect_error(PaymentError::ExceedsCaptured { left_minor: 100 });
        let rest = PaymentCommand::Refund { operation: op(4), amount: None };
        given(part).when(rest).then_expect_events(vec![refund_requested(4, 100)]);
    }
    let no = [before.clone(), vec![refund_requested(3, 600), failed(3, OperationKind::Refund)]].concat();
    given(no).when(refund(4, 600)).then_expect_events(vec![refund_requested(4, 600)]);
    let uncaptured = vec![asked(), authorized(), capture_requested(2, 600)];
    given(uncaptured).when(refund(3, 1)).then_expect_error(PaymentError::ExceedsCaptured { left_minor: 0 });
}

#[test]
fn what_is_not_captured_is_voided_once() {
    let before = vec![asked(), authorized()];
    given(before.clone()).when(void(2)).then_expect_events(vec![void_requested(2)]);
    let asked_for = [before.clone(), vec![void_requested(2)]].concat();
    for state in [vec![], vec![unknown(2, OperationKind::Void)], vec![voided(2)]] {
        let state = [asked_for.clone(), state].concat();
        given(state.clone()).when(void(2)).then_expect_events(vec![]);
        given(state.clone()).when(void(3)).then_expect_events(vec![]);
        given(state).when(capture(3, 1)).then_expect_error(PaymentError::Voided);
    }
    let failed = [asked_for, vec![failed(2, OperationKind::Void)]].concat();
    given(failed.clone()).when(void(3)).then_expect_events(vec![void_requested(3)]);
    given(failed).when(capture(3, 1)).then_expect_error(PaymentError::Voided);
    for state in [vec![], vec![unknown(2, OperationKind::Capture)], vec![captured(2, 1)]] {
        let taken = [before.clone(), vec![capture_requested(2, 1)], state].concat();
        given(taken).when(void(3)).then_expect_error(PaymentError::AlreadyCaptured);
    }
}

#[test]
fn an_operation_acts_once_and_in_the_currency_of_its_payment() {
    let before = vec![asked(), authorized(), capture_requested(2, 600), captured(2, 600)];
    given(before.clone()).when(capture(2, 600)).then_expect_events(vec![]);
    let all = PaymentCommand::Capture { operation: op(2), amount: None };
    given(before.clone()).when(all).then_expect_events(vec![]);
    for command in [capture(2, 599), refund(2, 600), void(2), capture(1, 1000), void(1)] {
        given(before.clone()).when(command).then_expect_error(PaymentError::OperationExists);
    }
    let error = PaymentError::OtherCurrency { currency: Currency::USD };
    let euros = [
        PaymentCommand::Capture { operation: op(3), amount: Some(eur(1)) },
        PaymentCommand::Refund { operation: op(3), amount: Some(eur(1)) },
    ];
    for command in euros {
        given(before.clone()).when(command).then_expect_error(error);
    }
}

#[test]
fn a_payment_has_only_so_many_operations_of_a_kind() {
    let mut before = vec![asked(), authorized()];
    for number in 0..OPERATIONS_MAX as u128 {
        before.extend([capture_requested(1000 + number, 1), failed(1000 + number, OperationKind::Capture)]);
    }
    given(before.clone()).when(capture(2, 1)).then_expect_error(PaymentError::TooManyOperations);
    given(before.clone()).when(void(2)).then_expect_events(vec![void_requested(2)]);
    for number in 0..OPERATIONS_MAX as u128 {
        before.extend([void_requested(2000 + number), failed(2000 + number, OperationKind::Void)]);
    }
    given(before).when(void(2)).then_expect_error(PaymentError::TooManyOperations);
    let mut before = vec![asked(), authorized(), capture_requested(2, 600), captured(2, 600)];
    for number in 0..OPERATIONS_MAX as u128 {
        before.push(refund_requested(1000 + number, 1));
    }
    given(before).when(refund(3, 1)).then_expect_error(PaymentError::TooManyOperations);
}

#[test]
fn refusals_keep_their_kinds_and_codes() {
    use PaymentError as E;
    let all = [
        (E::NotFound, Kind::Missing, "payment-not-found"),
        (E::OperationNotFound, Kind::Missing, "payment-operation-not-found"),
        (E::BadAmount, Kind::Invalid, "payment-amount-out-of-range"),
        (E::BadMethod, Kind::Invalid, "payment-method-invalid"),
        (E::BadOutcome, Kind::Invalid, "payment-outcome-invalid"),
        (E::AlreadyExists, Kind::Conflict, "payment-exists"),
        (E::OtherCurrency { currency: Currency::USD }, Kind::Conflict, "payment-currency-differs"),
        (E::NotAuthorized, Kind::Conflict, "payment-not-authorized"),
        (E::AuthorizationFailed, Kind::Conflict, "payment-authorization-failed"),
        (E::Voided, Kind::Conflict, "payment-voided"),
        (E::ExceedsAuthorized { left_minor: 1 }, Kind::Conflict, "payment-exceeds-authorized"),
        (E::ExceedsCaptured { left_minor: 1 }, Kind::Conflict, "payment-exceeds-captured"),
        (E::AlreadyCaptured, Kind::Conflict, "payment-captured"),
        (E::OperationExists, Kind::Conflict, "payment-operation-exists"),
        (E::TooManyOperations, Kind::Conflict, "payment-operations-too-many"),
        (E::OutcomeContradicts, Kind::Conflict, "payment-outcome-contradicts"),
    ];
    for (error, kind, code) in all {
        assert_eq!((error.kind(), error.code()), (kind, code));
    }
}

#[test]
fn commands_survive_storage() {
    let all = [authorize(), capture(2, 1), void(2), refund(3, 4), record(1, says_done(1)), record(1, says_nothing())];
    for command in all {
        let stored = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<PaymentCommand>(&stored).unwrap(), command);
    }
    let stored = concat!(
        r#"{"record":{"operation":"00000000-0000-0000-0000-000000000001","#,
        r#""outcome":{"failed":{"code":"card_declined","reason":"The card was declined."}}}}"#
    );
    assert_eq!(serde_json::to_string(&record(1, says_no())).unwrap(), stored, "what is stored before is read later");
}

/// Stored copies of states are recognised by their shape: if this fails, raise `FOLD` and write the new state here.
#[test]
fn the_golden_stream_still_folds_to_the_same_state() {
    let mut payment = Payment::default();
    let happened = [
        asked(),
        authorized(),
        capture_requested(2, 400),
        captured(2, 400),
        capture_requested(3, 300),
        unknown(3, OperationKind::Capture),
        refund_requested(4, 100),
        pending(4, OperationKind::Refund),
    ];
    for event in happened {
        payment.evolve(event);
    }
    assert_eq!(Payment::FOLD, 1);
    let golden = concat!(
        r#"{"Opened":{"order":"00000000-0000-0000-0000-000000000064","#,
        r#""payer":"00000000-0000-0000-0000-000000000066","amount":{"amount_minor":1000,"currency":"USD"},"#,
        r#""method":"pm_sim_ok","authorization":"00000000-0000-0000-0000-000000000001","operations":{"#,
        r#""00000000-0000-0000-0000-000000000001":{"kind":"authorize","amount_minor":1000,"#,
        r#""state":{"Succeeded":{"reference":"sim_1"}}},"#,
        r#""00000000-0000-0000-0000-000000000002":{"kind":"capture","amount_minor":400,"#,
        r#""state":{"Succeeded":{"reference":"sim_2"}}},"#,
        r#""00000000-0000-0000-0000-000000000003":{"kind":"capture","amount_minor":300,"state":"Unknown"},"#,
        r#""00000000-0000-0000-0000-000000000004":{"kind":"refund","amount_minor":100,"#,
        r#""state":{"Pending":{"reason":"processing","action_url":null}}}}}}"#,
    );
    assert_eq!(serde_json::to_string(&payment).unwrap(), golden);
    assert!(shape::<Payment>().starts_with("payment/1/{"));
}
