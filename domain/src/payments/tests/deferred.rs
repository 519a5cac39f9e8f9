//! A void that is asked for while the authorization is under way is never lost.

use super::*;

fn deferred(number: u128) -> PaymentEvent {
    PaymentEvent::PaymentVoidDeferred { order: order(), operation: op(number), amount: usd(1000) }
}

fn dropped(number: u128) -> PaymentEvent {
    PaymentEvent::PaymentVoidDropped { order: order(), operation: op(number) }
}

/// Every way in which an authorization can be under way.
fn under_way() -> [Vec<PaymentEvent>; 3] {
    [vec![], vec![pending(1, OperationKind::Authorize)], vec![unknown(1, OperationKind::Authorize)]]
        .map(|rest| [vec![asked()], rest].concat())
}

#[test]
fn it_waits_for_the_authorization() {
    for before in under_way() {
        given(before.clone()).when(void(2)).then_expect_events(vec![deferred(2)]);
        let waiting = [before, vec![deferred(2)]].concat();
        given(waiting.clone()).when(void(2)).then_expect_events(vec![]);
        given(waiting.clone()).when(void(3)).then_expect_events(vec![]);
        given(waiting.clone()).when(capture(3, 1)).then_expect_error(PaymentError::Voided);
        given(waiting.clone()).when(capture(2, 1)).then_expect_error(PaymentError::OperationExists);
        given(waiting).when(record(2, says_done(2))).then_expect_error(PaymentError::OperationNotFound);
    }
}

#[test]
fn it_is_requested_in_the_decision_that_learns_of_the_authorization() {
    for before in under_way() {
        let waiting = [before, vec![deferred(2)]].concat();
        let both = vec![authorized(), void_requested(2)];
        given(waiting.clone()).when(record(1, says_done(1))).then_expect_events(both.clone());
        let asked_for = [waiting, both].concat();
        given(asked_for.clone()).when(record(1, says_done(1))).then_expect_events(vec![]);
        given(asked_for.clone()).when(capture(3, 1)).then_expect_error(PaymentError::Voided);
        given(asked_for).when(record(2, says_done(2))).then_expect_events(vec![voided(2)]);
    }
}

#[test]
fn it_is_dropped_when_nothing_was_authorized() {
    for before in under_way() {
        let waiting = [before, vec![deferred(2)]].concat();
        let both = vec![failed(1, OperationKind::Authorize), dropped(2)];
        given(waiting.clone()).when(record(1, says_no())).then_expect_events(both.clone());
        let over = [waiting, both].concat();
        for command in [record(1, says_no()), void(2), void(3)] {
            given(over.clone()).when(command).then_expect_events(vec![]);
        }
        given(over.clone()).when(record(2, says_done(2))).then_expect_error(PaymentError::OperationNotFound);
        given(over).when(capture(3, 1)).then_expect_error(PaymentError::AuthorizationFailed);
    }
}

#[test]
fn it_goes_on_waiting_while_nothing_is_known() {
    let waiting = vec![asked(), deferred(2)];
    let unknown = vec![unknown(1, OperationKind::Authorize)];
    given(waiting.clone()).when(record(1, says_nothing())).then_expect_events(unknown);
    let pending = vec![pending(1, OperationKind::Authorize)];
    given(waiting).when(record(1, says_later())).then_expect_events(pending);
}

#[test]
fn the_outcome_of_another_operation_requests_no_void() {
    let before = vec![asked(), authorized(), capture_requested(3, 10), failed(3, OperationKind::Capture)];
    let asked_for = [before, vec![void_requested(2)]].concat();
    given(asked_for).when(record(2, says_no())).then_expect_events(vec![failed(2, OperationKind::Void)]);
}
