//! Every row of a stock's `decide`, and that never more is promised than is there.

use cqrs_es::test::{AggregateTestExecutor, TestFramework};
use event_schemas::products::StockEvent;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::tests::{Decides, a_repeat_adds_nothing, any_event_is_taken_and_stored, carry_out};
use crate::{Folded as _, shape};

fn given(events: Vec<StockEvent>) -> AggregateTestExecutor<Stock> {
    TestFramework::with(()).given(events)
}

/// Minutes after some noon.
fn at(minutes: i64) -> Timestamp {
    Timestamp::from_micros(1_795_000_000_000_000 + minutes * 60_000_000).unwrap()
}

fn id(number: u128) -> ReservationId {
    ReservationId(Uuid::from_u128(number))
}

fn receive(quantity: i64) -> StockCommand {
    StockCommand::Receive { product: ProductId(Uuid::from_u128(3)), sku: "MUG-RED".parse().unwrap(), quantity }
}

fn received(quantity: i64) -> StockEvent {
    StockEvent::StockReceived { product: ProductId(Uuid::from_u128(3)), sku: "MUG-RED".parse().unwrap(), quantity }
}

fn adjust(change: i64) -> StockCommand {
    StockCommand::Adjust { change, reason: "counted".into() }
}

fn adjusted(change: i64) -> StockEvent {
    StockEvent::StockAdjusted { change, reason: "counted".into() }
}

fn reserve(number: u128, quantity: i64) -> StockCommand {
    StockCommand::Reserve { reservation: id(number), quantity, until: at(10), at: at(0) }
}

fn reserved(number: u128, quantity: i64) -> StockEvent {
    StockEvent::StockReserved { reservation: id(number), quantity, until: at(10) }
}

fn release(number: u128) -> StockCommand {
    StockCommand::Release { reservation: id(number) }
}

fn released(number: u128, quantity: i64) -> StockEvent {
    StockEvent::StockReleased { reservation: id(number), quantity }
}

fn commit(number: u128) -> StockCommand {
    StockCommand::Commit { reservation: id(number) }
}

fn lapse(number: u128) -> StockCommand {
    StockCommand::Lapse { reservation: id(number) }
}

fn committed(number: u128, quantity: i64) -> StockEvent {
    StockEvent::StockCommitted { reservation: id(number), quantity }
}

#[test]
fn pieces_come_in_as_often_as_they_do() {
    given(vec![]).when(receive(10)).then_expect_events(vec![received(10)]);
    given(vec![received(10)]).when(receive(10)).then_expect_events(vec![received(10)]);
}

#[test]
fn nothing_is_done_with_what_never_came_in() {
    for command in [adjust(1), reserve(1, 1), release(1), commit(1)] {
        given(vec![]).when(command).then_expect_error(StockError::NotFound);
    }
}

#[test]
fn a_step_moves_some_pieces_but_not_absurdly_many() {
    for quantity in [0, -1, i64::MIN, QUANTITY_MAX + 1, i64::MAX] {
        for before in [vec![], vec![received(5)]] {
            given(before.clone()).when(receive(quantity)).then_expect_error(StockError::BadQuantity);
            given(before).when(reserve(1, quantity)).then_expect_error(StockError::BadQuantity);
        }
    }
    for change in [0, QUANTITY_MAX + 1, -QUANTITY_MAX - 1, i64::MIN, i64::MAX] {
        given(vec![received(5)]).when(adjust(change)).then_expect_error(StockError::BadChange);
    }
    given(vec![]).when(receive(QUANTITY_MAX)).then_expect_events(vec![received(QUANTITY_MAX)]);
}

#[test]
fn a_correction_gives_a_reason() {
    for reason in ["", " ", "a\0b", &"x".repeat(REASON_CHARS_MAX + 1)] {
        let command = StockCommand::Adjust { change: 1, reason: reason.into() };
        given(vec![received(5)]).when(command).then_expect_error(StockError::BadReason);
    }
}

#[test]
fn a_correction_never_takes_what_is_reserved() {
    let before = vec![received(5), reserved(1, 3)];
    given(before.clone()).when(adjust(-2)).then_expect_events(vec![adjusted(-2)]);
    given(before.clone()).when(adjust(-3)).then_expect_error(StockError::BelowReserved { reserved: 3 });
    given(before).when(adjust(1)).then_expect_events(vec![adjusted(1)]);
    given(vec![received(5)]).when(adjust(-5)).then_expect_events(vec![adjusted(-5)]);
    given(vec![received(5)]).when(adjust(-6)).then_expect_error(StockError::BelowReserved { reserved: 0 });
}

#[test]
fn sums_end_where_they_could_not_be_counted() {
    let full = StockEvent::StockAdjusted { change: ON_HAND_MAX, reason: "counted".into() };
    let before = vec![received(1), adjusted(-1), full];
    given(before.clone()).when(receive(1)).then_expect_error(StockError::Full);
    given(before.clone()).when(adjust(1)).then_expect_error(StockError::Full);
    given(before).when(adjust(-1)).then_expect_events(vec![adjusted(-1)]);
    let absurd = vec![received(i64::MAX), received(i64::MAX)];
    given(absurd).when(receive(1)).then_expect_error(StockError::Full);
}

#[test]
fn what_is_available_is_reserved_once() {
    let before = vec![received(5)];
    given(before.clone()).when(reserve(1, 5)).then_expect_events(vec![reserved(1, 5)]);
    given(before).when(reserve(1, 6)).then_expect_error(StockError::NotEnough { available: 5 });
    let held = vec![received(5), reserved(1, 3)];
    given(held.clone()).when(reserve(1, 3)).then_expect_events(vec![]);
    given(held.clone()).when(reserve(1, 2)).then_expect_error(StockError::AlreadyReserved);
    let later = StockCommand::Reserve { reservation: id(1), quantity: 3, until: at(11), at: at(0) };
    given(held.clone()).when(later).then_expect_error(StockError::AlreadyReserved);
    let repeated_late = StockCommand::Reserve { reservation: id(1), quantity: 3, until: at(10), at: at(99) };
    given(held.clone()).when(repeated_late).then_expect_events(vec![]);
    given(held.clone()).when(reserve(2, 2)).then_expect_events(vec![reserved(2, 2)]);
    given(held).when(reserve(2, 3)).then_expect_error(StockError::NotEnough { available: 2 });
}

#[test]
fn a_reservation_ends_in_the_future_but_not_far_in_it() {
    let month = RESERVATION_DAYS_MAX * 24 * 60;
    let until = |minutes| StockCommand::Reserve { reservation: id(1), quantity: 1, until: at(minutes), at: at(0) };
    for minutes in [-1, 0, month + 1] {
        given(vec![received(5)]).when(until(minutes)).then_expect_error(StockError::BadEnd);
    }
    let event = StockEvent::StockReserved { reservation: id(1), quantity: 1, until: at(month) };
    given(vec![received(5)]).when(until(month)).then_expect_events(vec![event]);
}

#[test]
fn a_reservation_acts_once() {
    let held = vec![received(5), reserved(1, 3)];
    given(held.clone()).when(release(1)).then_expect_events(vec![released(1, 3)]);
    given(held.clone()).when(commit(1)).then_expect_events(vec![committed(1, 3)]);
    for command in [release(2), commit(2)] {
        given(held.clone()).when(command).then_expect_error(StockError::NoReservation);
    }
    let free = [held.clone(), vec![released(1, 3)]].concat();
    given(free.clone()).when(release(1)).then_expect_events(vec![]);
    given(free.clone()).when(commit(1)).then_expect_error(StockError::AlreadyReleased);
    given(free.clone()).when(reserve(1, 3)).then_expect_error(StockError::AlreadyFinished);
    given(free).when(reserve(2, 5)).then_expect_events(vec![reserved(2, 5)]);
    let sold = [held, vec![committed(1, 3)]].concat();
    given(sold.clone()).when(commit(1)).then_expect_events(vec![]);
    given(sold.clone()).when(release(1)).then_expect_error(StockError::AlreadyCommitted);
    given(sold.clone()).when(reserve(1, 1)).then_expect_error(StockError::AlreadyFinished);
    given(sold).when(reserve(2, 3)).then_expect_error(StockError::NotEnough { available: 2 });
}

#[test]
fn what_is_over_lapses_and_what_was_settled_before_stays_so() {
    let held = vec![received(5), reserved(1, 3)];
    given(held.clone()).when(lapse(1)).then_expect_events(vec![released(1, 3)]);
    for settled in [vec![], vec![received(5)], [held.clone(), vec![committed(1, 3)]].concat()] {
        given(settled).when(lapse(1)).then_expect_events(vec![]);
    }
    given([held, vec![released(1, 3)]].concat()).when(lapse(1)).then_expect_events(vec![]);
}

#[test]
fn the_state_stays_bounded_however_much_is_sold() {
    let mut stock = Stock::default();
    stock.evolve(received(QUANTITY_MAX));
    let count = FINISHED_MAX as u128 + 1;
    for number in 0..count {
        stock.evolve(reserved(number, 1));
        stock.evolve(committed(number, 1));
    }
    let pieces = stock.pieces().unwrap();
    assert_eq!((pieces.finished.len(), pieces.open.len(), pieces.reserved), (FINISHED_MAX, 0, 0));
    assert_eq!(stock.decide(reserve(1, 1)), Err(StockError::AlreadyFinished));
    assert_eq!(stock.decide(commit(0)), Err(StockError::NoReservation), "the oldest one is forgotten");
    for number in 0..OPEN_MAX as u128 {
        stock.evolve(reserved(count + number, 1));
    }
    assert_eq!(stock.decide(reserve(9 * count, 1)), Err(StockError::TooManyOpen));
}

#[test]
fn refusals_keep_their_kinds_and_codes() {
    use StockError as E;
    let all = [
        (E::NotFound, Kind::Missing, "stock-not-found"),
        (E::NoReservation, Kind::Missing, "stock-reservation-not-found"),
        (E::BadQuantity, Kind::Invalid, "stock-quantity-out-of-range"),
        (E::BadChange, Kind::Invalid, "stock-change-out-of-range"),
        (E::BadReason, Kind::Invalid, "stock-reason-invalid"),
        (E::BadEnd, Kind::Invalid, "stock-reservation-end-out-of-range"),
        (E::Full, Kind::Conflict, "stock-full"),
        (E::BelowReserved { reserved: 1 }, Kind::Conflict, "stock-below-reserved"),
        (E::NotEnough { available: 1 }, Kind::Conflict, "stock-not-enough"),
        (E::TooManyOpen, Kind::Conflict, "stock-reservations-too-many"),
        (E::AlreadyReserved, Kind::Conflict, "stock-reservation-exists"),
        (E::AlreadyFinished, Kind::Conflict, "stock-reservation-finished"),
        (E::AlreadyCommitted, Kind::Conflict, "stock-reservation-committed"),
        (E::AlreadyReleased, Kind::Conflict, "stock-reservation-released"),
    ];
    for (error, kind, code) in all {
        assert_eq!((error.kind(), error.code()), (kind, code));
    }
}

/// Stored copies of states are recognised by their shape: if this fails, raise `FOLD` and write the new state here.
#[test]
fn the_golden_stream_still_folds_to_the_same_state() {
    let mut stock = Stock::default();
    for event in [received(10), adjusted(-1), reserved(1, 2), reserved(2, 3), committed(1, 2)] {
        stock.evolve(event);
    }
    assert_eq!(Stock::FOLD, 1);
    let (one, two, until) = (id(1), id(2), at(10));
    let golden = format!(
        concat!(
            r#"{{"Counted":{{"on_hand":7,"reserved":3,"open":{{"{two}":{{"quantity":3,"until":"{until}"}}}},"#,
            r#""finished":[{{"reservation":"{one}","committed":true}}]}}}}"#
        ),
        one = one,
        two = two,
        until = until
    );
    assert_eq!(serde_json::to_string(&stock).unwrap(), golden);
    assert!(shape::<Stock>().starts_with("stock/1/{"));
}

/// Few values, so that sequences often meet the same one again; some of them out of range.
fn commands() -> impl Strategy<Value = StockCommand> {
    prop_oneof![
        prop_oneof![-1i64..6, Just(QUANTITY_MAX), Just(i64::MAX)].prop_map(receive),
        prop_oneof![-6i64..6, Just(i64::MIN), Just(i64::MAX)].prop_map(adjust),
        reservations(),
    ]
}

/// Those that say which reservation they are about, so that a repeat is known.
fn reservations() -> impl Strategy<Value = StockCommand> {
    prop_oneof![
        2 => (0u128..5, prop_oneof![0i64..6, Just(i64::MAX)]).prop_map(|(number, quantity)| reserve(number, quantity)),
        1 => (0u128..5).prop_map(release),
        1 => (0u128..5).prop_map(commit),
        1 => (0u128..5).prop_map(lapse),
    ]
}

/// Any events, also such as no command would lead to.
fn events() -> impl Strategy<Value = StockEvent> {
    let quantity = || prop_oneof![0i64..6, Just(i64::MAX), Just(i64::MIN)];
    prop_oneof![
        quantity().prop_map(received),
        quantity().prop_map(adjusted),
        (0u128..5, quantity()).prop_map(|(number, quantity)| reserved(number, quantity)),
        (0u128..5, quantity()).prop_map(|(number, quantity)| released(number, quantity)),
        (0u128..5, quantity()).prop_map(|(number, quantity)| committed(number, quantity)),
    ]
}

impl Decides for Stock {
    fn decide(&self, command: StockCommand) -> Result<Vec<StockEvent>, StockError> {
        self.decide(command)
    }
}

proptest! {
    #[test]
    fn never_more_is_promised_than_is_there(all in prop::collection::vec(commands(), 0..60)) {
        let mut stock = Stock::default();
        for command in all {
            carry_out(&mut stock, command).ok();
            let Some(pieces) = stock.pieces() else { continue };
            prop_assert!(0 <= pieces.reserved && pieces.reserved <= pieces.on_hand, "{:?}", pieces);
            prop_assert!(pieces.on_hand <= ON_HAND_MAX);
            prop_assert_eq!(pieces.reserved, pieces.open.values().map(|held| held.quantity).sum::<i64>());
            prop_assert!(pieces.finished.iter().all(|one| !pieces.open.contains_key(&one.reservation)));
        }
    }

    #[test]
    fn any_reservation_twice_adds_nothing_the_second_time(
        before in prop::collection::vec(commands(), 0..12),
        command in reservations(),
    ) {
        a_repeat_adds_nothing::<Stock>(before, command)?;
    }

    #[test]
    fn evolve_takes_any_event_and_its_state_survives_storage(all in prop::collection::vec(events(), 0..30)) {
        any_event_is_taken_and_stored::<Stock>(all.into_iter())?;
    }
}
