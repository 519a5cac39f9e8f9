//! Callers as headers name them.

use super::*;

#[test]
fn a_caller_has_a_name_and_roles() {
    let caller = Caller::parse("ana; roles=support,finance").unwrap();
    assert_eq!((caller.name(), caller.roles()), ("ana", &["support".to_owned(), "finance".to_owned()][..]));
    assert!(!caller.is_anonymous());
}

#[test]
fn what_is_no_caller_is_refused() {
    for bad in ["", ";roles=a", "ana;role=a", "ana;roles=", "ana;roles=a,,b", "a b", "ana\u{7}", &"x".repeat(129)] {
        assert!(Caller::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn the_same_key_of_another_caller_is_another_id() {
    let (ana, bob) = (Caller::parse("ana").unwrap(), Caller::parse("bob").unwrap());
    assert_eq!(ana.derive("1"), ana.derive("1"));
    assert_ne!(ana.derive("1"), ana.derive("2"));
    assert_ne!(ana.derive("1"), bob.derive("1"));
}
