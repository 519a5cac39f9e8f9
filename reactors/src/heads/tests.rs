use envelope::{Cause, History, Timestamp};
use event_schemas::orders::OrderEvent;
use uuid::Uuid;

use super::*;

fn event(position: i64) -> Arc<Recorded<Event>> {
    let data = OrderEvent::OrderConfirmed { ship_until: Timestamp::default() };
    Arc::new(Recorded {
        position: Position(position),
        context: "orders".into(),
        aggregate_type: "order".into(),
        aggregate_id: Uuid::nil().to_string(),
        sequence: position,
        event_id: id(position),
        event_type: "OrderConfirmed".into(),
        event_version: "1".into(),
        recorded_at: Timestamp::default(),
        cause: Cause::new("ana", Uuid::nil()),
        data: Event::Orders(data),
    })
}

fn id(position: i64) -> Uuid {
    Uuid::from_u128(u128::try_from(position).unwrap())
}

fn at(position: i64, event_id: Uuid) -> Checkpoint {
    Checkpoint { history: History(Uuid::nil()), position: Position(position), event_id: Some(event_id) }
}

fn after(tail: &Tail, from: &Checkpoint) -> Option<Vec<i64>> {
    let events = tail.after(from, 2)?;
    Some(events.iter().map(|event| event.position.get()).collect())
}

fn tail(positions: impl IntoIterator<Item = i64>) -> Tail {
    let mut tail = Tail::default();
    positions.into_iter().for_each(|position| tail.push(event(position)));
    tail
}

#[test]
fn what_follows_on_a_known_event_is_given_in_order_and_not_too_much_of_it() {
    let tail = tail(5..=9);
    assert_eq!(after(&tail, &at(5, id(5))), Some(vec![6, 7]));
    assert_eq!(after(&tail, &at(8, id(8))), Some(vec![9]));
}

#[test]
fn what_memory_cannot_vouch_for_is_left_to_the_store() {
    let tail = tail(5..=9);
    assert_eq!(after(&tail, &at(4, id(4))), None, "the event that was read last is not here");
    assert_eq!(after(&tail, &at(7, id(70))), None, "another event stands there");
    assert_eq!(after(&tail, &at(9, id(9))), None, "what follows may have been appended elsewhere");
    assert_eq!(after(&tail, &at(10, id(10))), None, "it is further than what is here");
    assert_eq!(after(&Tail::default(), &at(1, id(1))), None);
}

#[test]
fn a_gap_drops_what_was_before_it() {
    let tail = tail([5, 6, 8, 9]);
    assert_eq!((after(&tail, &at(5, id(5))), after(&tail, &at(8, id(8)))), (None, Some(vec![9])));
}

#[test]
fn only_the_newest_are_held() {
    let newest = i64::try_from(EVENTS_MAX).unwrap() + 10;
    let tail = tail(1..=newest);
    assert_eq!((tail.0.len(), tail.0.front().map(|event| event.position.get())), (EVENTS_MAX, Some(11)));
}
