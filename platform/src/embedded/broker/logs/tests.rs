use super::*;

fn batch(records: i32, bytes: usize) -> Batch {
    Batch { last_offset_delta: records - 1, record_data: vec![7; bytes].into(), ..Batch::default() }
}

/// The offsets at which the batches begin that are given for a read from `offset` on.
fn ready(log: &Log, offset: i64, bytes_max: usize) -> Option<Vec<i64>> {
    match log.start(offset, bytes_max) {
        Start::Ready(batches) => Some(batches.iter().map(|batch| batch.base_offset).collect()),
        _ => None,
    }
}

#[test]
fn who_keeps_up_reads_what_is_held_ready() {
    let mut log = Log::default();
    log.take(0, batch(3, 10));
    log.take(3, batch(2, 10));
    assert_eq!(ready(&log, 0, 1_000), Some(vec![0, 3]));
    assert_eq!(ready(&log, 3, 1_000), Some(vec![3]));
    assert_eq!(ready(&log, 5, 1_000), Some(vec![]), "the end of the log");
    assert_eq!(log.start(1, 1_000), Start::Inside(0));
    assert_eq!(log.start(6, 1_000), Start::At(6), "past the end only the storage knows");
}

#[test]
fn a_read_stops_when_it_has_enough() {
    let mut log = Log::default();
    for first in 0..4 {
        log.take(first, batch(1, 10));
    }
    assert_eq!(ready(&log, 0, 0), Some(vec![0]));
    assert_eq!(ready(&log, 0, 10), Some(vec![0, 1]));
}

#[test]
fn writers_that_overtake_one_another_leave_no_hole() {
    let mut log = Log::default();
    log.take(0, batch(1, 10));
    log.take(2, batch(1, 10));
    log.take(1, batch(1, 10));
    log.take(3, batch(1, 10));
    assert_eq!(ready(&log, 3, 1_000), Some(vec![3]));
    for offset in 0..3 {
        assert!(!matches!(ready(&log, offset, 1_000), Some(given) if given.len() > 1), "from {offset}");
    }
    assert_eq!(ready(&log, 4, 1_000), Some(vec![]));
}

#[test]
fn little_is_held_ready() {
    let mut log = Log::default();
    for first in 0..10 {
        log.take(first, batch(1, TAIL_BYTES_MAX / 4));
    }
    assert_eq!(ready(&log, 5, usize::MAX), None);
    assert_eq!(ready(&log, 6, usize::MAX), Some(vec![6, 7, 8, 9]));
}

#[test]
fn what_belongs_to_a_transaction_is_left_to_the_storage() {
    let mut log = Log::default();
    log.take(0, batch(1, 10));
    log.take(1, Batch { attributes: TRANSACTIONAL, ..batch(1, 10) });
    log.take(2, batch(1, 10));
    for offset in 0..3 {
        assert_eq!(log.start(offset, 1_000), Start::At(offset));
    }
}

#[test]
fn a_stage_that_was_asked_for_before_a_write_is_not_kept() {
    let mut log = Log::default();
    let writes = log.writes();
    log.take(0, batch(1, 10));
    log.keep_stage(OffsetStage::default(), writes);
    assert_eq!(log.stage(), None);
    log.keep_stage(OffsetStage::default(), log.writes());
    assert_eq!(log.stage(), Some(OffsetStage::default()));
    log.take(1, batch(1, 10));
    assert_eq!(log.stage(), None);
}
