use domain::policies::{Dispatch, OrderAsk};
use envelope::{Cause, Position};
use event_schemas::Context;
use event_schemas::ids::OrderId;
use uuid::Uuid;

use super::*;
use crate::dispatches::LedBy;

/// What is asked of the order of this number because of the event at this position.
fn asked(position: i64, order: u128) -> Noted {
    let (context, ordinal, event_id) = (Context::Orders, 0, Uuid::nil());
    let led_by =
        LedBy { context, position: Position(position), ordinal, event_id, cause: Cause::new("ana", Uuid::nil()) };
    Noted::new(led_by, Dispatch::Order { order: OrderId(Uuid::from_u128(order)), ask: OrderAsk::Reserve })
}

fn positions(notes: &[&Noted]) -> Vec<i64> {
    notes.iter().map(|noted| noted.led_by.position.get()).collect()
}

#[test]
fn what_is_answered_in_time_is_never_stored() {
    let mut backlog = Backlog::default();
    backlog.follows(asked(1, 1));
    backlog.follows(asked(2, 2));
    let first = backlog.next().unwrap();
    backlog.answered(&first);
    assert_eq!((positions(&backlog.unstored()), backlog.over()), (vec![2], [].as_slice()));
}

#[test]
fn what_was_stored_is_removed_when_it_is_answered() {
    let mut backlog = Backlog::default();
    backlog.follows(asked(1, 1));
    let sending = backlog.next().unwrap();
    backlog.follows(asked(2, 2));
    backlog.stored(vec![7, 8]);
    assert!(backlog.unstored().is_empty());
    backlog.answered(&sending);
    assert_eq!(backlog.over(), [7]);
    backlog.removed();
    assert!(backlog.over().is_empty());
}

#[test]
fn what_follows_for_an_aggregate_that_refused_is_stored_and_not_sent() {
    let mut backlog = Backlog::default();
    backlog.follows(asked(1, 1));
    backlog.follows(asked(2, 1));
    let refused = backlog.next().unwrap();
    backlog.stored(vec![7, 8]);
    assert_eq!(backlog.number(&refused), Some(7));
    backlog.refused(&refused);
    backlog.follows(asked(3, 1));
    assert_eq!((positions(&backlog.unstored()), backlog.parked(), backlog.waiting()), (vec![3], 1, 0));
    assert!(backlog.next().is_none() && backlog.over().is_empty());
}

#[test]
fn what_was_stored_by_whoever_led_before_goes_first() {
    let mut backlog = Backlog::default();
    backlog.stands(Row { number: 3, noted: asked(1, 1), parked: false });
    backlog.follows(asked(2, 1));
    let first = backlog.next().unwrap();
    assert_eq!((backlog.number(&first), backlog.next().is_none()), (Some(3), true));
    backlog.answered(&first);
    let second = backlog.next().unwrap();
    assert_eq!(
        (second.noted.led_by.position, backlog.number(&second), backlog.over()),
        (Position(2), None, [3].as_slice())
    );
}

#[test]
fn what_was_refused_before_the_start_holds_back_what_follows() {
    let mut backlog = Backlog::default();
    backlog.stands(Row { number: 3, noted: asked(1, 1), parked: true });
    backlog.stands(Row { number: 4, noted: asked(2, 1), parked: false });
    backlog.stands(Row { number: 5, noted: asked(3, 2), parked: false });
    let only = backlog.next().unwrap();
    assert_eq!((backlog.number(&only), backlog.next().is_none()), (Some(5), true));
}
