use std::convert::Infallible;

use event_schemas::products::ProductEvent;

use super::*;
use crate::product::tests::{drafted, product, recorded};

fn nothing_held(_: ProductId) -> Result<Option<Kept>, Infallible> {
    Ok(None)
}

/// What is written: which, whether it is found, and whether it replaces something.
fn all(changes: &mut Changes) -> Vec<(ProductId, bool, bool)> {
    let mut written = Vec::new();
    let write = |one: Written<'_>| {
        written.push(told(&one));
        Ok::<_, Infallible>(())
    };
    changes.write_all(write).unwrap();
    written
}

fn settled(changes: &mut Changes) -> Vec<(ProductId, bool, bool)> {
    let mut written = Vec::new();
    let write = |one: Written<'_>| {
        written.push(told(&one));
        Ok::<_, Infallible>(())
    };
    changes.write_settled(write).unwrap();
    written
}

fn told(one: &Written<'_>) -> (ProductId, bool, bool) {
    (one.kept.product(), one.kept.listed().is_some(), one.replaces)
}

#[test]
fn what_a_batch_leaves_as_it_was_is_written_before_the_commit_and_replaced_if_it_changes_again() {
    let mut changes = Changes::default();
    let happens = |changes: &mut Changes, at, number, sequence, what| {
        changes.take(&recorded(at, product(number), sequence, what), nothing_held).unwrap();
    };
    happens(&mut changes, 1, 1, 1, drafted(product(1), "Mug"));
    assert_eq!(settled(&mut changes), []);
    happens(&mut changes, 2, 2, 1, drafted(product(2), "Cup"));
    assert_eq!(settled(&mut changes), [(product(1), false, false)]);
    happens(&mut changes, 3, 1, 2, ProductEvent::ProductProposed {});
    assert_eq!(settled(&mut changes), [(product(2), false, false)]);
    assert_eq!(all(&mut changes), [(product(1), false, true)], "the other one is written already");
    assert!(changes.is_empty());
}

#[test]
fn a_product_that_changed_often_is_written_once() {
    let mut changes = Changes::default();
    let events = [drafted(product(1), "Mug"), ProductEvent::ProductProposed {}, ProductEvent::ProductApproved {}];
    for (at, what) in (1..).zip(events) {
        changes.take(&recorded(at, product(1), at, what), nothing_held).unwrap();
    }
    assert_eq!(all(&mut changes), [(product(1), true, false)]);
    assert!(changes.is_empty() && !changes.is_full());
}

#[test]
fn what_the_index_holds_is_asked_for_once_and_only_for_a_later_event() {
    let (mut changes, mut asked) = (Changes::default(), 0);
    let held = crate::product::after(None, product(2), &recorded(1, product(2), 1, drafted(product(2), "Cup")));
    changes.take(&recorded(2, product(1), 1, drafted(product(1), "Mug")), |_| Err("asked for a new one")).unwrap();
    for at in 3..5 {
        let event = recorded(at, product(2), at - 1, ProductEvent::ProductProposed {});
        let hold = |_| {
            asked += 1;
            Ok::<_, Infallible>(held.clone())
        };
        changes.take(&event, hold).unwrap();
    }
    assert_eq!((asked, all(&mut changes).len()), (1, 2));
}

#[test]
fn an_error_of_the_index_is_handed_on_and_changes_nothing() {
    let mut changes = Changes::default();
    let event = recorded(3, product(1), 2, ProductEvent::ProductProposed {});
    assert_eq!(changes.take(&event, |_| Err("away")), Err("away"));
    assert!(changes.is_empty());
}

#[test]
fn who_is_set_aside_is_counted_once() {
    let mut changes = Changes::default();
    changes.take(&recorded(1, product(1), 1, drafted(product(1), "Mug")), nothing_held).unwrap();
    for at in 2..4 {
        let mut event = recorded(at, product(1), at, ProductEvent::ProductProposed {});
        event.event_type = "ProductGilded".into();
        changes.take(&event, nothing_held).unwrap();
    }
    assert_eq!(changes.set_aside(), 1);
    assert_eq!(all(&mut changes).len(), 1);
    assert_eq!(changes.set_aside(), 0);
}

#[test]
fn memory_is_bounded() {
    let (mut changes, mut at) = (Changes::default(), 0_i64);
    let title = "x".repeat(1 << 20);
    while !changes.is_full() {
        at += 1;
        let number = u128::from(at.unsigned_abs());
        changes.take(&recorded(at, product(number), 1, drafted(product(number), &title)), nothing_held).unwrap();
    }
    assert!(at <= i64::try_from(BYTES_MAX >> 20).unwrap());
}
