use std::sync::Arc;

use envelope::{Cause, History, Position, Recorded, Timestamp};
use uuid::Uuid;

use super::Walk;
use crate::RawPayload;
use crate::relay::reading::Delivered;
use crate::verify::topic::Report;

/// All events are of one aggregate, so all of them belong into its one partition.
fn event(position: i64) -> Recorded<RawPayload> {
    Recorded {
        position: Position(position),
        context: Arc::from("parcels"),
        aggregate_type: Arc::from("parcel"),
        aggregate_id: "parcel-1".to_owned(),
        sequence: position,
        event_id: Uuid::from_u128(u128::try_from(position).unwrap()),
        event_type: Arc::from("ParcelSent"),
        event_version: Arc::from("1"),
        recorded_at: Timestamp::default(),
        cause: Cause { actor: "tester".into(), correlation_id: Uuid::nil(), causation_id: None, traceparent: None },
        data: RawPayload::new(format!(r#"{{"weight":{position}}}"#)).unwrap(),
    }
}

fn record(previous: i64, position: i64) -> Delivered {
    Delivered { event: event(position), previous: Position(previous), history: History(Uuid::nil()) }
}

/// What is found in a log of these records, given as (previous, position), beside a store of so many events.
fn compare(begins: i64, log: &[(i64, i64)], stored: i64) -> Report {
    let mut walk = Walk::new(History(Uuid::nil()), vec![Position(begins)], Position(stored));
    for (offset, (previous, position)) in (0..).zip(log) {
        walk.record(0, offset, &record(*previous, *position), Some(&event(*position)));
    }
    (1..=stored).for_each(|position| walk.row(Position(position), "parcel-1"));
    walk.finish()
}

fn found(report: &Report) -> Vec<String> {
    report.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_whole_log_holds_and_so_does_one_with_repeats_or_a_hole_that_was_filled_later() {
    assert_eq!(found(&compare(0, &[(0, 1), (1, 2), (2, 3)], 3)), [""; 0]);
    let repeated = compare(0, &[(0, 1), (1, 2), (0, 1), (1, 2), (2, 3)], 3);
    assert_eq!((found(&repeated).len(), repeated.repeated, repeated.records), (0, 2, 5));
    assert_eq!(found(&compare(0, &[(0, 1), (2, 3), (1, 2), (2, 3)], 3)), [""; 0]);
}

#[test]
fn a_log_that_begins_at_the_head_owes_nothing_from_before() {
    assert_eq!(found(&compare(2, &[(2, 3), (3, 4)], 4)), [""; 0]);
}

#[test]
fn every_event_without_a_record_is_named() {
    assert_eq!(found(&compare(0, &[(0, 1), (2, 3)], 3)), ["partition 0: event 2 is missing"]);
    assert_eq!(found(&compare(0, &[(0, 1), (1, 2)], 3)), ["partition 0: event 3 is missing"]);
}

#[test]
fn records_that_stand_after_a_hole_and_never_again_stop_a_reader() {
    let stopped = "partition 0: a reader who leaves nothing out stops after event 2, before 3";
    assert_eq!(found(&compare(0, &[(0, 1), (2, 3), (1, 2)], 3)), [stopped]);
}

#[test]
fn a_record_that_names_the_wrong_one_before_it_is_found() {
    let wrong = "partition 0, offset 2: event 3 names 1 as the one before it, which is 2";
    assert_eq!(found(&compare(0, &[(0, 1), (1, 2), (1, 3)], 3)), [wrong]);
}

#[test]
fn a_record_unlike_its_event_is_found_and_does_not_count_for_it() {
    let mut walk = Walk::new(History(Uuid::nil()), vec![Position::ZERO], Position(1));
    let mut other = record(0, 1);
    other.event.data = RawPayload::new("{}".to_owned()).unwrap();
    walk.record(0, 0, &other, Some(&event(1)));
    walk.record(0, 1, &record(0, 1), None);
    walk.record(0, 2, &Delivered { history: History(Uuid::from_u128(1)), ..record(0, 1) }, Some(&event(1)));
    walk.row(Position(1), "parcel-1");
    let found = found(&walk.finish());
    assert_eq!(found[0], "partition 0, offset 0: event 1 has another payload than in the store");
    assert_eq!(found[1], "partition 0, offset 1: the store has no event 1");
    assert!(found[2].contains("is of history"), "{}", found[2]);
    assert_eq!(found[3], "partition 0: event 1 is missing");
}
