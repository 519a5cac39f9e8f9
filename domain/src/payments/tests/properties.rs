//! What holds of a payment whatever is asked of it and whatever happened.

use proptest::prelude::*;

use super::*;
use crate::tests::{Decides, a_repeat_adds_nothing, any_event_is_taken_and_stored, carry_out};

fn kinds() -> impl Strategy<Value = OperationKind> {
    use OperationKind::{Authorize, Capture, Refund, Void};
    prop::sample::select(vec![Authorize, Capture, Void, Refund])
}

fn wanted() -> impl Strategy<Value = Option<Money>> {
    prop_oneof![
        3 => prop::sample::select(vec![1_i64, 300, 400, 600, 1000, 1001]).prop_map(|minor| Some(usd(minor))),
        1 => Just(None),
        1 => prop::sample::select(vec![Some(usd(0)), Some(usd(i64::MAX)), Some(eur(1))]),
    ]
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => (0u128..8).prop_map(says_done),
        2 => Just(says_no()),
        1 => Just(says_later()),
        1 => Just(says_nothing()),
        1 => Just(Outcome::Unknown { reason: String::new() }),
    ]
}

/// Few operations, so that sequences often meet the same one again.
fn commands() -> impl Strategy<Value = PaymentCommand> {
    prop_oneof![
        1 => Just(authorize()),
        1 => Just(authorize_otherwise("amount")),
        4 => (2u128..8, wanted()).prop_map(|(one, amount)| PaymentCommand::Capture { operation: op(one), amount }),
        2 => (1u128..8).prop_map(void),
        3 => (2u128..8, wanted()).prop_map(|(one, amount)| PaymentCommand::Refund { operation: op(one), amount }),
        3 => Just(record(1, says_done(1))),
        8 => (1u128..8, outcomes()).prop_map(|(number, outcome)| record(number, outcome)),
    ]
}

/// Any events, also such as no command would lead to.
fn events() -> impl Strategy<Value = PaymentEvent> {
    let minor = || prop_oneof![0i64..6, Just(i64::MAX), Just(i64::MIN)];
    prop_oneof![
        Just(asked()),
        Just(authorized()),
        (0u128..6, minor()).prop_map(|(number, minor)| capture_requested(number, minor)),
        (0u128..6, minor()).prop_map(|(number, minor)| captured(number, minor)),
        (0u128..6).prop_map(void_requested),
        (0u128..6).prop_map(voided),
        (0u128..6, minor()).prop_map(|(number, minor)| refund_requested(number, minor)),
        (0u128..6, minor()).prop_map(|(number, minor)| refunded(number, minor)),
        (0u128..6).prop_map(|n| PaymentEvent::PaymentVoidDeferred { order: order(), operation: op(n), amount: usd(7) }),
        (0u128..6).prop_map(|n| PaymentEvent::PaymentVoidDropped { order: order(), operation: op(n) }),
        (0u128..6, kinds()).prop_map(|(number, kind)| pending(number, kind)),
        (0u128..6, kinds()).prop_map(|(number, kind)| unknown(number, kind)),
        (0u128..6, kinds()).prop_map(|(number, kind)| failed(number, kind)),
    ]
}

impl Decides for Payment {
    fn decide(&self, command: PaymentCommand) -> Result<Vec<PaymentEvent>, PaymentError> {
        self.decide(command)
    }
}

proptest! {
    #[test]
    fn never_more_is_taken_than_was_promised_or_given_back_than_was_taken(
        all in prop::collection::vec(commands(), 0..60),
    ) {
        use OperationKind::{Authorize, Capture, Refund, Void};
        let mut payment = Payment::default();
        carry_out(&mut payment, authorize()).ok();
        for command in all {
            carry_out(&mut payment, command).ok();
            let Some(opened) = payment.opened() else { continue };
            let (done, taken) = (|kind| opened.done_minor(kind), |kind| opened.taken_minor(kind));
            for kind in [Authorize, Capture, Void, Refund] {
                prop_assert!(0 <= done(kind) && done(kind) <= taken(kind), "{kind} of {opened:?}");
            }
            prop_assert!(taken(Capture) <= done(Authorize), "{:?}", opened);
            prop_assert!(taken(Refund) <= done(Capture), "{:?}", opened);
            prop_assert!(taken(Void) == 0 || taken(Capture) == 0, "{:?}", opened);
            let whole = |one: &&Operation| one.kind == Capture && one.counts() && one.amount_minor == 1000;
            prop_assert!(opened.operations.values().filter(whole).count() <= 1, "{:?}", opened);
        }
    }

    #[test]
    fn a_void_is_never_lost(
        before in prop::collection::vec(commands(), 0..20),
        after in prop::collection::vec(commands(), 0..20),
    ) {
        let mut payment = Payment::default();
        carry_out(&mut payment, authorize()).ok();
        for command in before {
            carry_out(&mut payment, command).ok();
        }
        prop_assume!(carry_out(&mut payment, void(50)).is_ok());
        for command in after {
            carry_out(&mut payment, command).ok();
        }
        carry_out(&mut payment, record(1, says_done(1))).ok();
        let opened = payment.opened().expect("it was asked for");
        let void = opened.operations.values().find(|one| one.kind == OperationKind::Void);
        let waits = void.is_some_and(|void| void.state == OperationState::Deferred);
        prop_assert!(!waits, "nothing is waited for once the authorization is known: {:?}", opened);
        let promised = opened.done_minor(OperationKind::Authorize) > 0;
        prop_assert!(!promised || void.is_some(), "what is promised is given back: {:?}", opened);
        prop_assert_eq!(opened.taken_minor(OperationKind::Capture), 0);
    }

    #[test]
    fn any_command_twice_adds_nothing_the_second_time(
        before in prop::collection::vec(commands(), 0..25),
        command in commands(),
    ) {
        a_repeat_adds_nothing::<Payment>([vec![authorize()], before].concat(), command)?;
    }

    #[test]
    fn evolve_takes_any_event_and_its_state_survives_storage(all in prop::collection::vec(events(), 0..30)) {
        any_event_is_taken_and_stored::<Payment>([vec![asked()], all].concat().into_iter())?;
    }
}
