use super::*;

const CHANGED: Pressure = Pressure { changed: true, moved: true, full: false, waited_for: false };
const MS: Duration = Duration::from_millis(1);

fn paced() -> (Pace, Instant) {
    let now = Instant::now();
    let mut pace = Pace::new(now);
    pace.committed(now);
    pace.looked(now);
    (pace, now)
}

#[test]
fn the_first_change_after_a_quiet_time_is_committed_at_once() {
    let (pace, now) = paced();
    assert_eq!(pace.until_commit(now + COMMIT_EVERY, CHANGED), Some(Duration::ZERO));
}

#[test]
fn changes_are_gathered_for_half_a_second() {
    let (pace, now) = paced();
    assert_eq!(pace.until_commit(now + 100 * MS, CHANGED), Some(400 * MS));
}

#[test]
fn a_reader_who_waits_has_its_commit_within_a_twentieth_of_a_second() {
    let (pace, now) = paced();
    let waited_for = Pressure { waited_for: true, ..CHANGED };
    assert_eq!(pace.until_commit(now + 10 * MS, waited_for), Some(40 * MS));
    assert_eq!(pace.until_look(now + 10 * MS, true), 40 * MS);
    assert_eq!(pace.until_look(now + 10 * MS, false), 240 * MS);
}

#[test]
fn who_waits_for_nothing_new_brings_no_commit() {
    let (pace, now) = paced();
    let idle = Pressure { waited_for: true, ..Pressure::default() };
    assert_eq!(pace.until_commit(now + CHECKPOINT_EVERY, idle), None);
}

#[test]
fn a_checkpoint_that_only_moved_is_written_rarely() {
    let (pace, now) = paced();
    let moved = Pressure { moved: true, ..Pressure::default() };
    assert_eq!(pace.until_commit(now + COMMIT_EVERY, moved), Some(CHECKPOINT_EVERY - COMMIT_EVERY));
}

#[test]
fn memory_that_is_full_waits_for_nobody() {
    let (pace, now) = paced();
    assert_eq!(pace.until_commit(now, Pressure { full: true, ..CHANGED }), Some(Duration::ZERO));
}

#[test]
fn an_event_is_found_within_a_second() {
    assert!(LOOK_EVERY + COMMIT_EVERY < Duration::from_secs(1));
}
