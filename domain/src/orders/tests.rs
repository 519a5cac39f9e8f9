//! Every row of an order's `decide`, and what holds for any sequence of commands and events.

use cqrs_es::test::{AggregateTestExecutor, TestFramework};
use envelope::Timestamp;
use event_schemas::Currency;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::tests::{Decides, a_repeat_adds_nothing, any_event_is_taken_and_stored, carry_out};
use crate::{Folded as _, Kind, Refusal as _, shape};
use event_schemas::orders::OrderEvent;

mod live;

const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(1997, 1, 1).expect("a day");

fn given(events: Vec<OrderEvent>) -> AggregateTestExecutor<Order> {
    TestFramework::with(()).given(events)
}

fn money(amount_minor: i64) -> Money {
    Money { amount_minor, currency: Currency::USD }
}

fn import_of(ordered_on: NaiveDate, units: u32, total: Money) -> OrderCommand {
    let (order, customer) = (OrderId(Uuid::from_u128(1)), AccountId(Uuid::from_u128(2)));
    OrderCommand::ImportOrder { order, customer, ordered_on, units, total }
}

fn import() -> OrderCommand {
    import_of(FIRST_DAY, 1, money(1177))
}

/// The event that follows from a command that is accepted.
fn imported(command: OrderCommand) -> OrderEvent {
    let OrderCommand::ImportOrder { order, customer, ordered_on, units, total } = command else {
        panic!("{command:?} imports nothing")
    };
    OrderEvent::OrderImported { order, customer, ordered_on, units, total }
}

#[test]
fn a_purchase_is_taken_in_as_it_was() {
    given(vec![]).when(import()).then_expect_events(vec![imported(import())]);
}

#[test]
fn the_same_purchase_again_adds_nothing() {
    given(vec![imported(import())]).when(import()).then_expect_events(vec![]);
}

#[test]
fn another_purchase_under_the_same_id_is_refused() {
    for other in [
        import_of(FIRST_DAY.succ_opt().unwrap(), 1, money(1177)),
        import_of(FIRST_DAY, 2, money(1177)),
        import_of(FIRST_DAY, 1, money(1178)),
        import_of(FIRST_DAY, 1, Money { amount_minor: 1177, currency: "EUR".parse().unwrap() }),
    ] {
        given(vec![imported(import())]).when(other).then_expect_error(OrderError::AlreadyExists);
    }
}

#[test]
fn units_are_one_to_a_million() {
    for units in [0, UNITS_MAX + 1, u32::MAX] {
        given(vec![]).when(import_of(FIRST_DAY, units, money(1))).then_expect_error(OrderError::BadUnits);
    }
    for units in [1, UNITS_MAX] {
        let command = import_of(FIRST_DAY, units, money(1));
        given(vec![]).when(command.clone()).then_expect_events(vec![imported(command)]);
    }
}

#[test]
fn a_purchase_may_be_free_but_not_negative_or_absurd() {
    for amount in [-1, i64::MIN, TOTAL_MINOR_MAX + 1, i64::MAX] {
        given(vec![]).when(import_of(FIRST_DAY, 1, money(amount))).then_expect_error(OrderError::BadTotal);
    }
    for amount in [0, TOTAL_MINOR_MAX] {
        let command = import_of(FIRST_DAY, 1, money(amount));
        given(vec![]).when(command.clone()).then_expect_events(vec![imported(command)]);
    }
}

#[test]
fn a_day_lies_in_a_year_that_purchases_are_of() {
    let day = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).unwrap();
    for ordered_on in [day(1899, 12, 31), day(2200, 1, 1), NaiveDate::MIN, NaiveDate::MAX] {
        given(vec![]).when(import_of(ordered_on, 1, money(1))).then_expect_error(OrderError::BadDay);
    }
    for ordered_on in [day(1900, 1, 1), day(2199, 12, 31)] {
        let command = import_of(ordered_on, 1, money(1));
        given(vec![]).when(command.clone()).then_expect_events(vec![imported(command)]);
    }
}

#[test]
fn a_bad_purchase_is_refused_as_such_also_after_a_good_one() {
    given(vec![imported(import())]).when(import_of(FIRST_DAY, 0, money(1))).then_expect_error(OrderError::BadUnits);
}

#[test]
fn refusals_keep_their_kinds_and_codes() {
    let all = [OrderError::AlreadyExists, OrderError::BadUnits, OrderError::BadTotal, OrderError::BadDay];
    let said: Vec<_> = all.iter().map(|error| (error.kind(), error.code(), error.to_string())).collect();
    assert_eq!(
        said,
        [
            (Kind::Conflict, "order-exists", "there is an order with this id and other content".into()),
            (Kind::Invalid, "order-units-out-of-range", "an order has 1 to 1000000 units".into()),
            (
                Kind::Invalid,
                "order-total-out-of-range",
                "the total of an order is 0 to 100000000000 minor units".into()
            ),
            (Kind::Invalid, "order-day-out-of-range", "the day of an order lies in the years 1900 to 2199".into()),
        ]
    );
}

/// Stored copies of states are recognised by their shape: if this fails, raise `FOLD` and write the new state here.
#[test]
fn the_golden_stream_still_folds_to_the_same_state() {
    let mut order = Order::default();
    order.evolve(imported(import()));
    assert_eq!(Order::FOLD, 2);
    assert_eq!(
        serde_json::to_string(&order).unwrap(),
        concat!(
            r#"{"Imported":{"order":"00000000-0000-0000-0000-000000000001","#,
            r#""customer":"00000000-0000-0000-0000-000000000002","ordered_on":"1997-01-01","units":1,"#,
            r#""total":{"amount_minor":1177,"currency":"USD"}}}"#
        )
    );
    assert!(shape::<Order>().starts_with("order/2/{"));
}

/// Few values, so that sequences often meet the same one again; some of them out of range.
fn commands() -> impl Strategy<Value = OrderCommand> {
    let day = prop_oneof![Just(FIRST_DAY), Just(NaiveDate::MIN)];
    (1u128..3, 1u128..3, day, 0u32..4, -1i64..3).prop_map(|(order, customer, ordered_on, units, amount_minor)| {
        let (order, customer) = (OrderId(Uuid::from_u128(order)), AccountId(Uuid::from_u128(customer)));
        OrderCommand::ImportOrder { order, customer, ordered_on, units, total: money(amount_minor) }
    })
}

impl Decides for Order {
    fn decide(&self, command: OrderCommand) -> Result<Vec<OrderEvent>, OrderError> {
        self.decide(command)
    }
}

proptest! {
    #[test]
    fn any_command_twice_adds_nothing_the_second_time(
        before in prop::collection::vec(commands(), 0..6),
        command in commands(),
    ) {
        a_repeat_adds_nothing::<Order>(before, command)?;
    }

    #[test]
    fn an_order_is_imported_once_and_within_bounds(all in prop::collection::vec(commands(), 0..20)) {
        let mut order = Order::default();
        let accepted = all.into_iter().filter_map(|command| carry_out(&mut order, command).ok()).flatten();
        let accepted: Vec<_> = accepted.collect();
        prop_assert!(accepted.len() <= 1);
        match (order, accepted.into_iter().next()) {
            (Order::Absent, None) => {}
            (Order::Imported(purchase), Some(OrderEvent::OrderImported { order, units, total, ordered_on, .. })) => {
                prop_assert_eq!((purchase.order, purchase.units, purchase.total), (order, units, total));
                prop_assert!(units >= 1 && total.amount_minor >= 0 && ordered_on == FIRST_DAY);
            }
            (state, event) => prop_assert!(false, "{:?} does not follow from {:?}", state, event),
        }
    }

    #[test]
    fn evolve_takes_any_event_and_its_state_survives_storage(all in prop::collection::vec(commands(), 0..20)) {
        any_event_is_taken_and_stored::<Order>(all.into_iter().map(imported))?;
    }
}
