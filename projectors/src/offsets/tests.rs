//! Which offset stands for everybody.

use super::*;
use uuid::Uuid;

const HISTORY: History = History(Uuid::from_u128(1));

fn place(partition: i32) -> Place {
    Place { context: Context::Orders, partition }
}

/// A projection at these positions, each with the offset of its last record if it came through the topic.
fn at(name: &'static str, places: &[(i32, i64, Option<i64>)]) -> (&'static str, Cursor) {
    let checkpoint = |position, topic_offset| Checkpoint {
        history: HISTORY,
        position: Position(position),
        event_id: None,
        topic_offset,
    };
    let places = places.iter().map(|(partition, position, offset)| (place(*partition), checkpoint(*position, *offset)));
    (name, Cursor::new(places.collect()))
}

/// The newest record of partition 0: its position and its offset.
fn handed(position: i64, offset: i64) -> Marks {
    [(place(0), Mark { history: HISTORY, position: Position(position), offset: offset + 1 })].into()
}

fn offset(due: &BTreeMap<Place, i64>) -> Option<i64> {
    due.get(&place(0)).copied()
}

#[test]
fn the_furthest_behind_counts() {
    let mut offsets = Offsets::default();
    let due = offsets.due(handed(50, 9), &[at("a", &[(0, 50, Some(9))]), at("b", &[(0, 30, Some(5))])]);
    assert_eq!(offset(&due), Some(6));
    let due = offsets.due(handed(50, 9), &[at("a", &[(0, 50, Some(9))]), at("b", &[(0, 50, Some(9))])]);
    assert_eq!(offset(&due), Some(10));
}

#[test]
fn who_caught_up_from_the_store_is_past_what_the_topic_brings_late() {
    let mut offsets = Offsets::default();
    assert_eq!(offset(&offsets.due(handed(50, 9), &[at("a", &[(0, 70, None)])])), Some(10));
    // What it did not see through the topic is older than where it stands.
    assert_eq!(offset(&offsets.due(handed(60, 11), &[at("a", &[(0, 70, Some(3))])])), Some(12));
}

#[test]
fn a_reader_of_whole_stores_holds_back_every_partition() {
    let mut offsets = Offsets::default();
    let late = |position| [at("a", &[(0, 50, Some(9))]), at("log", &[(WHOLE_STORE, position, None)])];
    assert_eq!(offset(&offsets.due(handed(50, 9), &late(20))), None, "nobody knows yet where it is in the topic");
    assert_eq!(offset(&offsets.due(handed(50, 9), &late(50))), Some(10));
    // Under load it is past the mark of the round before, if not past the newest.
    assert_eq!(offset(&offsets.due(handed(80, 15), &late(55))), None, "as published");
    let log = |position| [at("log", &[(WHOLE_STORE, position, None)])];
    assert_eq!(offset(&offsets.due(handed(99, 20), &log(85))), Some(16));
    assert_eq!(offset(&offsets.due(handed(99, 20), &log(99))), Some(21));
}

#[test]
fn what_is_published_is_not_said_again() {
    let mut offsets = Offsets::default();
    let there = [at("a", &[(0, 50, Some(9))])];
    assert_eq!(offset(&offsets.due(handed(50, 9), &there)), Some(10));
    assert_eq!(offsets.due(handed(50, 9), &there), BTreeMap::new());
    offsets.published.clear();
    assert_eq!(offset(&offsets.due(handed(50, 9), &there)), Some(10));
}

#[test]
fn another_history_says_nothing() {
    let mut offsets = Offsets::default();
    let mut marks = handed(50, 9);
    marks.values_mut().for_each(|mark| mark.history = History(Uuid::from_u128(2)));
    assert_eq!(offsets.due(marks, &[at("a", &[(0, 70, None)])]), BTreeMap::new());
    assert_eq!(
        offsets.due(handed(50, 9), &[at("a", &[(1, 70, Some(9))])]),
        BTreeMap::new(),
        "it follows another place"
    );
}
