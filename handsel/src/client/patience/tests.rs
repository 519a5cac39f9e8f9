//! Whom an import waits for.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_server_that_never_answered_is_not_waited_for_for_ever() {
    let patience = Patience::new(None);
    assert!(!patience.is_over(FIRST_ANSWER_MAX / 2) && patience.is_over(FIRST_ANSWER_MAX));
    patience.answered();
    assert!(!patience.is_over(MINUTE * 60), "one that has answered comes back");
}

#[test]
fn what_was_asked_for_holds_whether_it_answered_or_not() {
    let patience = Patience::new(Some(MINUTE));
    assert!(!patience.is_over(FIRST_ANSWER_MAX));
    patience.answered();
    assert!(patience.is_over(MINUTE));
}

#[test]
fn one_worker_speaks_for_all() {
    let (patience, now) = (Patience::new(None), Instant::now());
    let said = (0..128).filter(|_| patience.may_say(now)).count();
    assert_eq!(said, 1);
    assert!(!patience.may_say(now + SAY_EVERY / 2));
    assert!(patience.may_say(now + SAY_EVERY));
}
