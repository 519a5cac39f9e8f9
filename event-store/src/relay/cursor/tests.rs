use envelope::Position;

use super::{Cursor, Kept, Known, Lane, LogReset, bounds_hold};

mod world;

fn fresh(partitions: usize) -> Cursor {
    Cursor::new(Position::ZERO, &vec![Lane { kept: Kept::default(), last_offset: -1 }; partitions])
}

fn publish(cursor: &mut Cursor, partition: usize, position: i64) -> Option<i64> {
    let previous = cursor.previous(partition, Position(position));
    cursor.published(partition, Position(position));
    previous.map(Position::get)
}

fn acknowledge(cursor: &mut Cursor, partition: usize, position: i64, offset: i64) {
    cursor.acknowledge(partition, Position(position), Some(offset)).expect("the offset grows");
}

#[test]
fn each_record_names_the_one_before_it_in_its_partition() {
    let mut cursor = fresh(2);
    let previous: Vec<_> = [(0, 1), (1, 2), (0, 3), (1, 4)].map(|(p, at)| publish(&mut cursor, p, at)).into();
    assert_eq!(previous, [Some(0), Some(0), Some(1), Some(2)]);
}

#[test]
fn the_checkpoint_is_the_longest_acknowledged_prefix() {
    let mut cursor = fresh(2);
    [(0, 1), (1, 2), (0, 3)].iter().for_each(|(p, at)| assert!(publish(&mut cursor, *p, *at).is_some()));
    assert_eq!(cursor.checkpoint(), Position(0));
    acknowledge(&mut cursor, 1, 2, 0);
    assert_eq!(cursor.checkpoint(), Position(0));
    acknowledge(&mut cursor, 0, 1, 0);
    assert_eq!(cursor.checkpoint(), Position(2));
    acknowledge(&mut cursor, 0, 3, 1);
    assert_eq!((cursor.checkpoint(), cursor.in_flight()), (Position(3), 0));
}

#[test]
fn what_a_partition_has_is_passed_over() {
    let has_five = Kept { acknowledged: Position(5), offset: Some(2), ..Kept::default() };
    let lanes = [Lane { kept: has_five, last_offset: 2 }, Lane { kept: Kept::default(), last_offset: -1 }];
    let mut cursor = Cursor::new(Position::ZERO, &lanes);
    assert_eq!(publish(&mut cursor, 0, 1), None);
    assert_eq!(publish(&mut cursor, 1, 2), Some(0));
    assert_eq!(publish(&mut cursor, 0, 5), None);
    assert_eq!(publish(&mut cursor, 0, 6), Some(5));
    assert_eq!((cursor.read(), cursor.checkpoint()), (Position(6), Position(1)));
}

#[test]
fn a_second_report_changes_nothing() {
    let mut cursor = fresh(1);
    publish(&mut cursor, 0, 1);
    publish(&mut cursor, 0, 2);
    acknowledge(&mut cursor, 0, 1, 0);
    acknowledge(&mut cursor, 0, 1, 0);
    acknowledge(&mut cursor, 0, 9, 7);
    assert_eq!((cursor.checkpoint(), cursor.in_flight()), (Position(1), 1));
}

#[test]
fn an_offset_that_does_not_grow_means_that_the_log_was_reset() {
    let mut cursor = fresh(1);
    publish(&mut cursor, 0, 1);
    publish(&mut cursor, 0, 2);
    acknowledge(&mut cursor, 0, 1, 6);
    let reset = cursor.acknowledge(0, Position(2), Some(0));
    assert_eq!(reset, Err(LogReset::Shrunk { partition: 0, expected: 6, found: 0 }));
    assert_eq!(cursor.checkpoint(), Position(1));
}

#[test]
fn a_record_whose_offset_is_not_told_counts_and_is_no_witness() {
    let mut cursor = fresh(1);
    publish(&mut cursor, 0, 1);
    cursor.acknowledge(0, Position(1), None).expect("no offset cannot shrink");
    assert_eq!(cursor.kept(), [Kept { begins: Position(0), acknowledged: Position(1), ..Kept::default() }]);
}

#[test]
fn a_record_whose_offset_is_not_told_takes_a_place_all_the_same() {
    let mut cursor = fresh(1);
    [1, 2, 3].iter().for_each(|at| assert!(publish(&mut cursor, 0, *at).is_some()));
    acknowledge(&mut cursor, 0, 1, 0);
    cursor.acknowledge(0, Position(2), None).expect("no offset cannot shrink");
    assert_eq!(cursor.known(), [Known { first: None, last: 1 }], "its loss would be seen at the end of the log");
    // It was lost, and its successor stands in its place.
    let reset = cursor.acknowledge(0, Position(3), Some(1));
    assert_eq!(reset, Err(LogReset::Shrunk { partition: 0, expected: 1, found: 1 }));
}

#[test]
fn an_end_below_an_acknowledged_offset_means_that_the_log_was_reset() {
    let known = |first, last| Known { first, last };
    assert_eq!(bounds_hold(&[known(Some(0), 4), known(None, -1)], &[(0, 5), (7, 8)]), Ok(()));
    let shrunk = bounds_hold(&[known(Some(0), 4), known(Some(0), 3)], &[(0, 5), (0, 3)]);
    assert_eq!(shrunk, Err(LogReset::Shrunk { partition: 1, expected: 3, found: 2 }));
    // Records that could not be deleted may stand before it.
    assert_eq!(bounds_hold(&[known(Some(3), 4)], &[(0, 5)]), Ok(()));
    let beheaded = bounds_hold(&[known(Some(0), 4)], &[(2, 5)]);
    assert_eq!(beheaded, Err(LogReset::Beheaded { partition: 0, expected: 0, found: 2 }));
}
