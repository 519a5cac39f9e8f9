//! What the provider says is recorded once, and never against what it said before.

use super::*;

/// A payment with an operation of each kind that was requested, and the event by which it succeeds.
fn requested() -> [(Vec<PaymentEvent>, u128, OperationKind, PaymentEvent); 4] {
    let opened = vec![asked(), authorized()];
    let taken = [opened.clone(), vec![capture_requested(2, 600), captured(2, 600)]].concat();
    [
        (vec![asked()], 1, OperationKind::Authorize, authorized()),
        ([opened.clone(), vec![capture_requested(2, 600)]].concat(), 2, OperationKind::Capture, captured(2, 600)),
        ([opened, vec![void_requested(2)]].concat(), 2, OperationKind::Void, voided(2)),
        ([taken, vec![refund_requested(3, 5)]].concat(), 3, OperationKind::Refund, refunded(3, 5)),
    ]
}

#[test]
fn every_operation_is_pending_or_unknown_for_a_while_and_then_succeeds_or_fails() {
    for (before, number, kind, done) in requested() {
        let states = [vec![], vec![pending(number, kind)], vec![unknown(number, kind)]];
        for state in &states {
            let before = [before.clone(), state.clone()].concat();
            let is = |other: &PaymentEvent| state.last() == Some(other);
            let unless = |event: PaymentEvent| if is(&event) { vec![] } else { vec![event] };
            let when = |outcome| given(before.clone()).when(record(number, outcome));
            when(says_done(number)).then_expect_events(vec![done.clone()]);
            when(says_no()).then_expect_events(vec![failed(number, kind)]);
            when(says_later()).then_expect_events(unless(pending(number, kind)));
            when(says_nothing()).then_expect_events(unless(unknown(number, kind)));
        }
    }
}

#[test]
fn a_final_outcome_stays() {
    for (before, number, kind, done) in requested() {
        let good = [before.clone(), vec![done]].concat();
        let bad = [before, vec![failed(number, kind)]].concat();
        let unnamed = Outcome::Succeeded { reference: None };
        let repeats = [(&good, says_done(number)), (&good, unnamed.clone()), (&bad, says_no())];
        let stale = [&good, &bad].into_iter().flat_map(|state| [(state, says_later()), (state, says_nothing())]);
        for (state, outcome) in repeats.into_iter().chain(stale) {
            given(state.clone()).when(record(number, outcome)).then_expect_events(vec![]);
        }
        for (state, outcome) in [(&good, says_no()), (&good, says_done(99)), (&bad, says_done(number)), (&bad, unnamed)]
        {
            given(state.clone()).when(record(number, outcome)).then_expect_error(PaymentError::OutcomeContradicts);
        }
    }
}

#[test]
fn another_pending_is_news() {
    let before = vec![asked(), pending(1, OperationKind::Authorize)];
    let (reason, action_url) = ("action_required".to_owned(), Some("https://pay.example.org/1".to_owned()));
    let event = PaymentEvent::PaymentOperationPending {
        order: order(),
        operation: op(1),
        kind: OperationKind::Authorize,
        reason: reason.clone(),
        action_url: action_url.clone(),
    };
    given(before).when(record(1, Outcome::Pending { reason, action_url })).then_expect_events(vec![event]);
}

#[test]
fn an_outcome_is_of_an_operation_that_was_requested() {
    for outcome in [says_done(9), says_no(), says_later(), says_nothing()] {
        let before = vec![asked(), authorized()];
        given(before).when(record(9, outcome)).then_expect_error(PaymentError::OperationNotFound);
    }
}

#[test]
fn an_outcome_has_a_form() {
    let (long, text) = ("x".repeat(REASON_CHARS_MAX + 1), || "why".to_owned());
    let bad = [
        Outcome::Pending { reason: "Not a code".into(), action_url: None },
        Outcome::Pending { reason: "x".repeat(CODE_CHARS_MAX + 1), action_url: None },
        Outcome::Pending { reason: "processing".into(), action_url: Some("javascript:alert(1)".into()) },
        Outcome::Succeeded { reference: Some(String::new()) },
        Outcome::Succeeded { reference: Some("x".repeat(TOKEN_CHARS_MAX + 1)) },
        Outcome::Failed { code: "card-declined".into(), reason: text() },
        Outcome::Failed { code: String::new(), reason: text() },
        Outcome::Failed { code: "card_declined".into(), reason: " ".into() },
        Outcome::Unknown { reason: long },
        Outcome::Unknown { reason: "a\0b".into() },
    ];
    for outcome in bad {
        given(vec![asked()]).when(record(1, outcome.clone())).then_expect_error(PaymentError::BadOutcome);
        given(vec![]).when(record(1, outcome)).then_expect_error(PaymentError::BadOutcome);
    }
}
