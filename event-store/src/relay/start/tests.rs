use envelope::{History, Position};
use uuid::Uuid;

use super::{Mark, Place, Seen, checkpoint, doubt, start};
use crate::relay::cursor::Kept;

fn ours(previous: i64, position: i64) -> Place {
    Place::Ours(Mark {
        position: Position(position),
        previous: Position(previous),
        history: History(Uuid::nil()),
        event_id: Uuid::nil(),
    })
}

fn kept(begins: i64, acknowledged: i64, offset: Option<i64>) -> Kept {
    Kept { begins: Position(begins), acknowledged: Position(acknowledged), offset, first_offset: None }
}

const EMPTY: Seen = Seen { end: 0, low: 0, first: Place::Nothing, anchor: Place::Nothing, last: Place::Nothing };

/// Where publishing starts, and whether the log is emptied before.
fn starts(kept: Kept, seen: Seen) -> (i64, bool) {
    let start = start(&kept, &seen);
    assert_eq!(start.lane.last_offset, seen.end - 1);
    (start.lane.kept.acknowledged.get(), start.refill)
}

#[test]
fn an_empty_log_is_filled_from_where_it_is_meant_to_begin() {
    assert_eq!(starts(kept(0, 0, None), EMPTY), (0, false));
    assert_eq!(starts(kept(0, 9, Some(8)), EMPTY), (0, false));
    assert_eq!(starts(kept(5, 9, Some(3)), EMPTY), (5, false));
}

#[test]
fn a_log_that_is_the_one_we_filled_goes_on_after_what_was_acknowledged() {
    let seen = Seen { end: 5, low: 0, first: ours(0, 1), anchor: ours(3, 4), last: ours(4, 5) };
    assert_eq!(starts(kept(0, 4, Some(3)), seen), (4, false));
}

#[test]
fn an_older_record_at_the_end_lets_it_start_there() {
    let seen = Seen { end: 7, low: 0, first: ours(0, 1), anchor: ours(3, 4), last: ours(1, 2) };
    assert_eq!(starts(kept(0, 4, Some(3)), seen), (2, false));
    assert_eq!(start(&kept(0, 4, Some(3)), &seen).lane.kept.offset, Some(6));
}

#[test]
fn a_cut_head_a_lost_tail_and_a_strange_record_at_the_anchor_fill_it_again() {
    let cut_head = Seen { end: 5, low: 0, first: ours(2, 3), anchor: ours(3, 4), last: ours(4, 5) };
    assert_eq!(starts(kept(0, 4, Some(3)), cut_head), (0, true));
    let lost_tail = Seen { end: 3, low: 0, first: ours(0, 1), anchor: Place::Nothing, last: ours(2, 3) };
    assert_eq!(starts(kept(0, 4, Some(3)), lost_tail), (0, true));
    let cut_and_written_again = Seen { end: 5, low: 0, first: ours(0, 1), anchor: ours(5, 6), last: ours(6, 7) };
    assert_eq!(starts(kept(0, 4, Some(3)), cut_and_written_again), (0, true));
}

#[test]
fn a_foreign_record_at_the_beginning_fills_it_again_and_one_at_the_end_does_not() {
    let begin = Seen { end: 1, low: 0, first: Place::Foreign, anchor: Place::Nothing, last: Place::Foreign };
    assert_eq!(starts(kept(0, 0, None), begin), (0, true));
    let end = Seen { end: 6, low: 0, first: ours(0, 1), anchor: ours(3, 4), last: Place::Foreign };
    assert_eq!(starts(kept(0, 4, Some(3)), end), (4, false));
}

#[test]
fn without_a_known_offset_the_last_record_decides() {
    let seen = Seen { end: 5, low: 0, first: ours(0, 1), anchor: Place::Nothing, last: ours(4, 5) };
    assert_eq!(starts(kept(0, 5, None), seen), (5, false));
    assert_eq!(start(&kept(0, 5, None), &seen).lane.kept.offset, Some(4), "it is the witness from now on");
    assert_eq!(starts(kept(0, 6, None), seen), (0, true));
}

#[test]
fn records_beyond_a_report_without_an_offset_do_not_show_that_nothing_was_lost_before_them() {
    // 4 was acknowledged, the log lost its end, and a producer that dropped 5 wrote 6 where 4 had been.
    let seen = Seen { end: 5, low: 0, first: ours(0, 1), anchor: Place::Nothing, last: ours(5, 6) };
    assert_eq!(starts(kept(0, 4, None), seen), (0, true));
}

#[test]
fn the_checkpoint_falls_to_the_lowest_place_that_is_published_again() {
    let before = [kept(0, 9, Some(3)), kept(0, 8, Some(2))];
    let whole = Seen { end: 4, low: 0, first: ours(0, 1), anchor: ours(7, 9), last: ours(7, 9) };
    let wiped = [start(&before[0], &whole), start(&before[1], &EMPTY)];
    assert_eq!(checkpoint(Position(9), &before, &wiped), Position(0));
    let both = [start(&before[0], &whole), start(&before[0], &whole)];
    assert_eq!(checkpoint(Position(9), &[before[0], before[0]], &both), Position(9));
}

#[test]
fn a_head_that_was_cut_off_shows_by_its_offset_although_the_first_record_was_repeated_later() {
    let noted = Kept { first_offset: Some(0), ..kept(0, 4, Some(3)) };
    let cut = Seen { end: 4, low: 2, first: ours(0, 1), anchor: ours(2, 4), last: ours(2, 4) };
    assert_eq!(starts(noted, cut), (0, true));
    assert_eq!(starts(noted, Seen { low: 0, ..cut }), (4, false));
}

#[test]
fn a_log_that_was_reset_is_filled_again_although_it_looks_whole_and_there_is_no_witness() {
    let mut known = Kept { first_offset: Some(0), ..kept(0, 6, None) };
    let seen = Seen { end: 5, low: 0, first: ours(0, 1), anchor: Place::Nothing, last: ours(4, 6) };
    assert_eq!(starts(known, seen), (6, false));
    assert_eq!(doubt(Position(9), &mut known), Position(0));
    assert_eq!(starts(known, seen), (0, true));
    // As it comes back from the row, which keeps no such offset.
    assert_eq!(starts(Kept { first_offset: None, ..known }, seen), (0, false));
}
