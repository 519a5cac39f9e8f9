//! Who may edit while somebody holds a lease.

use super::*;

fn take(by: &str, until: i64, now: i64) -> ProductCommand {
    ProductCommand::TakeLease { by: by.into(), until: at(until), at: at(now) }
}

fn release(by: &str, now: i64) -> ProductCommand {
    ProductCommand::ReleaseLease { by: by.into(), at: at(now) }
}

fn taken(by: &str, until: i64) -> ProductEvent {
    ProductEvent::ProductLeaseTaken { by: by.into(), until: at(until) }
}

fn leased(by: &str, until: i64) -> ProductError {
    ProductError::Leased { by: by.into(), until: at(until) }
}

fn by(who: &str, now: i64, edit: Edit) -> ProductCommand {
    ProductCommand::Edit { by: who.into(), at: at(now), edit }
}

#[test]
fn a_lease_is_taken_once_and_may_be_prolonged() {
    given(vec![drafted()]).when(take("ana", 10, 0)).then_expect_events(vec![taken("ana", 10)]);
    let held = vec![drafted(), taken("ana", 10)];
    given(held.clone()).when(take("ana", 10, 5)).then_expect_events(vec![]);
    given(held).when(take("ana", 20, 5)).then_expect_events(vec![taken("ana", 20)]);
}

#[test]
fn nobody_else_edits_or_takes_it_until_it_lapses() {
    let held = vec![drafted(), taken("ana", 10)];
    let edits = ALL_EDITS.into_iter().map(|edit| edit()).chain([Edit::Revise(Box::default())]);
    for edit in edits {
        given(held.clone()).when(by("bob", 9, edit)).then_expect_error(leased("ana", 10));
    }
    given(held.clone()).when(take("bob", 20, 9)).then_expect_error(leased("ana", 10));
    given(held.clone()).when(release("bob", 9)).then_expect_error(leased("ana", 10));
    given(held.clone()).when(by("ana", 9, Edit::Propose)).then_expect_events(vec![ProductEvent::ProductProposed {}]);
    given(held.clone()).when(by("bob", 10, Edit::Propose)).then_expect_events(vec![ProductEvent::ProductProposed {}]);
    given(held.clone()).when(take("bob", 20, 10)).then_expect_events(vec![taken("bob", 20)]);
    given(held).when(release("bob", 10)).then_expect_events(vec![]);
}

#[test]
fn a_lease_is_released_once() {
    let held = vec![drafted(), taken("ana", 10)];
    given(held.clone()).when(release("ana", 5)).then_expect_events(vec![ProductEvent::ProductLeaseReleased {}]);
    let free = [held, vec![ProductEvent::ProductLeaseReleased {}]].concat();
    given(free.clone()).when(release("ana", 5)).then_expect_events(vec![]);
    given(free).when(by("bob", 5, Edit::Propose)).then_expect_events(vec![ProductEvent::ProductProposed {}]);
}

#[test]
fn a_lease_ends_in_the_future_but_not_far_in_it() {
    let day = LEASE_HOURS_MAX * 60;
    for until in [-1, 0, day + 1] {
        given(vec![drafted()]).when(take("ana", until, 0)).then_expect_error(ProductError::BadLease);
    }
    given(vec![drafted()]).when(take("ana", day, 0)).then_expect_events(vec![taken("ana", day)]);
    let archived = vec![drafted(), ProductEvent::ProductArchived {}];
    given(archived).when(take("ana", 1, 0)).then_expect_error(ProductError::Archived);
}
