use super::*;

#[test]
fn a_plain_line_has_count_share_rate_eta_and_lag() {
    let elapsed = Duration::from_secs(10);
    assert_eq!(line("rebuild", 500, Some(2000), elapsed, Some(7)), "rebuild: 500/2000 (25 %), 50/s, 30 s left, lag 7");
    assert_eq!(line("tail", 500, None, elapsed, None), "tail: 500, 50/s");
}

#[test]
fn a_total_that_becomes_known_later_is_known_from_then_on() {
    let bar = Bar::new("adopt", None);
    bar.set(3);
    bar.total(12);
    bar.total(7);
    assert_eq!((bar.total.get(), bar.done()), (Some(&12), 3));
}

#[test]
fn nothing_done_and_nothing_to_do_are_no_division_by_zero() {
    assert_eq!(line("import", 0, Some(0), Duration::ZERO, None), "import: 0/0 (0 %), 0/s");
}

#[test]
fn durations_are_short() {
    let said: Vec<_> = [0, 59, 61, 3700].into_iter().map(|seconds| short(Duration::from_secs(seconds))).collect();
    assert_eq!(said, ["0 ms", "59 s", "1 min 1 s", "1 h 1 min"]);
}
