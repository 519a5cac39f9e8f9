use envelope::History;
use event_schemas::Context;
use uuid::Uuid;

use super::*;

fn held(position: i64) -> Checkpoint {
    let history = History(Uuid::from_u128(1));
    Checkpoint { history, position: Position(position), event_id: None, topic_offset: None }
}

fn place(partition: i32) -> Place {
    Place { context: Context::Orders, partition }
}

fn seen(head: i64, published: i64, last: [i64; 2]) -> Seen {
    let last = last.map(Position).to_vec();
    Seen { head: Position(head), head_event: None, published: Position(published), last }
}

#[test]
fn a_quiet_partition_is_complete_as_far_as_the_relay_came() {
    assert_eq!(seen(9, 9, [9, 2]).complete(place(1), &held(2)), Position(9));
    assert!(!seen(9, 9, [9, 2]).is_ahead_of(place(1), &held(2)));
}

#[test]
fn a_later_position_in_the_partition_is_missing() {
    assert!(seen(9, 9, [9, 5]).is_ahead_of(place(1), &held(2)));
}

#[test]
fn a_relay_behind_its_store_leaves_something_missing() {
    assert!(seen(9, 4, [4, 2]).is_ahead_of(place(1), &held(2)));
}

#[test]
fn without_a_relay_everything_after_the_checkpoint_is_missing() {
    let alone = Seen { head: Position(3), ..Seen::default() };
    assert!(alone.is_ahead_of(place(0), &held(2)));
    assert!(!alone.is_ahead_of(place(0), &held(3)));
}

#[test]
fn the_whole_store_is_never_complete_before_its_head() {
    assert!(seen(9, 9, [2, 2]).is_ahead_of(place(WHOLE_STORE), &held(8)));
}

#[test]
fn silence_is_shorter_while_somebody_waits() {
    assert!(!is_long(Duration::from_millis(500), false));
    assert!(is_long(Duration::from_millis(500), true));
    assert!(is_long(Duration::from_secs(1), false));
}
